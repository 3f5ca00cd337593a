"""YAML with its standard tags only, as kombu's safe form: what JSON has, and dates, sets and bytes.

Source: kombu 5.7, `kombu.serialization.register_yaml`; https://yaml.org/spec/1.1/
"""

from __future__ import annotations

from typing import Any, ClassVar

import yaml

from tq.errors import DecodeError, EncodeError
from tq_yaml.growth import grows_beyond

GROWTH = 100
"""Times that a document may be longer once its aliases are written out."""


class YamlSerializer:
    """`yaml`. Thread-safe, without state. Tuples become lists."""

    api_version: ClassVar[int] = 1
    name: ClassVar[str] = "yaml"
    content_type: ClassVar[str] = "application/x-yaml"
    content_encoding: ClassVar[str] = "utf-8"
    safe: ClassVar[bool] = True

    def dumps(self, value: Any) -> bytes:
        """Write a value. Raises `EncodeError`, naming the type that has no form here."""
        try:
            text: str = yaml.safe_dump(value)
            written = text.encode("utf-8")
            too_large = b"*" in written and grows_beyond(value, GROWTH * len(written))
        except yaml.representer.RepresenterError as exc:
            raise EncodeError(f"{_type_of(exc)} has no YAML form; convert it first") from exc
        except RecursionError as exc:
            raise EncodeError("the value holds itself or is nested too deeply for YAML") from exc
        except Exception as exc:  # tzinfo and subclasses of plain types are the user's code
            raise EncodeError(f"cannot write the value as YAML: {type(exc).__name__}: {exc}") from exc
        if too_large:
            raise EncodeError(
                "the value holds itself, or parts of it are shared so often that no reader would take it"
            )
        return written

    def loads(self, data: bytes) -> Any:
        """Read one document. Raises `DecodeError` for anything that is not well-formed, has other tags than YAML's
        own, or would grow out of proportion by its aliases."""
        if not data:
            raise DecodeError("there are no bytes to read YAML from")
        try:
            value = yaml.safe_load(data)
            too_large = b"*" in data and grows_beyond(value, GROWTH * len(data))
        except RecursionError as exc:
            raise DecodeError("the YAML is nested too deeply") from exc
        except Exception as exc:  # PyYAML's constructors raise what int(), float() and date() raise, and more
            raise DecodeError(f"not readable as YAML: {type(exc).__name__}: {str(exc)[:500]}") from exc
        if too_large:
            raise DecodeError(f"the aliases of the YAML make it more than {GROWTH} times as long as it is")
        return value


def _type_of(exc: yaml.YAMLError) -> str:
    kind = type(exc.args[1]) if len(exc.args) > 1 else type(None)
    return f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")
