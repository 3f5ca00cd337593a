"""Pydantic models as arguments and results (`@app.task(pydantic=True)`)."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tq.errors import ImproperlyConfigured


def _pydantic() -> Any:
    try:
        import pydantic
    except ImportError as exc:
        raise ImproperlyConfigured(
            "a task with pydantic=True needs pydantic; install it with: pip install pydantic"
        ) from exc
    return pydantic


def argument_reader(
    function: Callable[..., Any], *, strict: bool = False, context: Mapping[str, Any] | None = None
) -> Callable[[Sequence[Any], Mapping[str, Any]], tuple[Sequence[Any], Mapping[str, Any]]]:
    """Make arguments whose annotation is a model into models; everything else stays as it is.

    A value that does not fit raises pydantic's ValidationError in the task.
    """
    pydantic = _pydantic()
    signature = inspect.signature(function)
    hints = typing.get_type_hints(function)
    models = {
        name: model
        for name in signature.parameters
        if (model := _model(hints.get(name), pydantic.BaseModel)) is not None
    }

    def read(args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[Sequence[Any], Mapping[str, Any]]:
        bound = signature.bind(*args, **kwargs)
        for name, model in models.items():
            value = bound.arguments.get(name)
            if value is not None and not isinstance(value, model):
                bound.arguments[name] = model.model_validate(value, strict=strict or None, context=context)
        return bound.args, bound.kwargs

    return read


def _model(hint: Any, base: type) -> Any:
    """The model of `Model` and `Model | None`."""
    options = [hint, *typing.get_args(hint)]
    return next((o for o in options if isinstance(o, type) and issubclass(o, base)), None)


def dump(value: Any, options: Mapping[str, Any] | None = None) -> Any:
    """A model as plain values; anything else as it is."""
    pydantic = _pydantic()
    return (
        value.model_dump(**{"mode": "json", **(options or {})})
        if isinstance(value, pydantic.BaseModel)
        else value
    )


def dump_arguments(args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Arguments with their models as plain values, for the message."""
    return tuple(dump(arg) for arg in args), {name: dump(value) for name, value in kwargs.items()}
