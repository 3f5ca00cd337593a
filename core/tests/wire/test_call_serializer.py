"""A serializer that wants the headers of a task message sees them, when writing and when reading."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from tq.contracts import CallSerializer
from tq.errors import DecodeError
from tq.wire.json import JsonSerializer
from tq.wire.protocol import TaskCall, read_task, write_task


class Bound(JsonSerializer):
    """Writes the task's name into the body, and refuses a body that came with another name."""

    def dumps_call(self, value: Any, headers: dict[str, Any]) -> bytes:
        headers["mark"] = "bound"
        return self.dumps([headers["task"], value])

    def loads_call(self, data: bytes, headers: Mapping[str, Any]) -> Any:
        task, value = self.loads(data)
        if task != headers["task"]:
            raise DecodeError(f"the body belongs to {task}")
        return value


class Careless(Bound):
    def loads_call(self, data: bytes, headers: Mapping[str, Any]) -> Any:
        raise ZeroDivisionError(headers["task"])


def test_it_writes_with_the_headers_and_may_add_its_own() -> None:
    assert isinstance(Bound(), CallSerializer)
    assert not isinstance(JsonSerializer(), CallSerializer)
    message = write_task(TaskCall(id="i1", task="m.add", args=[1]), Bound())
    assert message.headers["mark"] == "bound"
    assert message.body.startswith(b'["m.add",')


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_it_reads_with_the_headers(compression: str | None) -> None:
    message = write_task(TaskCall(id="i1", task="m.add", args=[1]), Bound(), compression=compression)
    assert read_task(message, {"application/json": Bound()}, size_limit=1000).args == [1]
    moved = msgspec.structs.replace(message, headers={**message.headers, "task": "m.drop"})
    with pytest.raises(DecodeError, match=r"belongs to m\.add"):
        read_task(moved, {"application/json": Bound()}, size_limit=1000)


def test_one_that_breaks_its_contract_is_a_decode_error() -> None:
    message = write_task(TaskCall(id="i1", task="m.add"), Careless())
    with pytest.raises(DecodeError, match="ZeroDivisionError"):
        read_task(message, {"application/json": Careless()}, size_limit=1000)
