"""Between `TaskMeta` and the documents of Celery's MongoDB back end."""

from __future__ import annotations

import datetime as dt
from typing import Any

import bson
from bson.errors import InvalidDocument

from tq.contracts.serializer import Serializer
from tq.errors import BackendError, DecodeError, SerializationError
from tq.records import TaskMeta
from tq.wire.result_document import from_document, plain_document, to_document

_OWN = ("tq_stored", "tq_date_done")


class Documents:
    """Writes and reads documents; `serializer` writes results."""

    def __init__(self, serializer: Serializer) -> None:
        self._serializer = serializer
        self._text = serializer.content_encoding.lower() in ("utf-8", "utf8", "us-ascii")

    def write(self, meta: TaskMeta, now: float) -> dict[str, Any]:
        """The document of a task. Raises `BackendError` for what has no form."""
        document = to_document(meta)
        document["_id"] = document.pop("task_id")
        try:
            document["result"] = self.dump(meta.result)
            document["date_done"] = _date(meta.date_done)
            document["traceback"] = None if meta.traceback is None else plain(meta.traceback)
            document["tq_stored"] = self.moment(now)
            if meta.date_done is not None:
                document["tq_date_done"] = meta.date_done
            bson.encode(document)
        except (
            SerializationError,
            InvalidDocument,
            OverflowError,
            TypeError,
            ValueError,
            RecursionError,
        ) as exc:
            raise BackendError(f"the result of task {meta.task_id} cannot be stored: {exc}") from exc
        return document

    def read(self, document: dict[str, Any]) -> TaskMeta:
        """The record of a document, also of one that Celery wrote. Raises `BackendError`."""
        task_id = str(document["_id"])
        fields = {key: value for key, value in document.items() if key not in ("_id", *_OWN)}
        try:
            fields["result"] = self.load(fields.get("result"))
            done = fields.get("date_done")
            fields["date_done"] = document.get("tq_date_done", done.isoformat() if done else None)
        except (SerializationError, AttributeError, TypeError) as exc:
            raise BackendError(f"the stored result of task {task_id} cannot be read: {exc}") from exc
        return from_document(task_id, fields)

    def dump(self, value: Any) -> Any:
        """A value as Celery stores it: text, or bytes of a serializer that writes no text. Raises `EncodeError`."""
        raw = self._serializer.dumps(value)
        return raw.decode() if self._text else raw

    def load(self, stored: Any) -> Any:
        """What `dump` stored, also compressed by Celery. Raises `DecodeError`."""
        if stored is None:
            return None
        if not isinstance(stored, (str, bytes)):
            raise DecodeError(f"it is no text, but {type(stored).__name__}")
        raw = stored.encode() if isinstance(stored, str) else stored
        return self._serializer.loads(plain_document(raw))

    def moment(self, now: float) -> dt.datetime:
        """Unix seconds as MongoDB's date."""
        return dt.datetime.fromtimestamp(now, dt.UTC)


def plain(text: str) -> str:
    """What an exception says may hold half a surrogate pair, which BSON does not take."""
    return text.encode("utf-8", "backslashreplace").decode()


def _date(text: str | None) -> dt.datetime | None:
    if text is None:
        return None
    found = dt.datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=dt.UTC)
