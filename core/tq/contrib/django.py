"""`DjangoTask`: tasks that can be sent when the transaction around is committed.

It is the base of all tasks where `DJANGO_SETTINGS_MODULE` is set and the app names no other. Names as in Celery 5.7
`celery.contrib.django.task`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, ParamSpec, TypeVar

from tq.app.django import on_commit
from tq.app.task import Task

P = ParamSpec("P")
R_co = TypeVar("R_co", covariant=True)


class DjangoTask(Task[P, R_co]):
    """A worker must not look for a row that is not committed yet: these send afterwards, and not after a rollback."""

    def delay_on_commit(self, *args: Any, **kwargs: Any) -> None:
        """`delay` when the transaction is committed, at once outside of one. There is no result to return yet."""
        on_commit(partial(self.delay, *args, **kwargs), None)

    def apply_async_on_commit(
        self,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        *,
        using: str | None = None,
        **options: Any,
    ) -> None:
        """`apply_async` when the transaction of the database `using` is committed."""
        on_commit(partial(self.apply_async, args, kwargs, **options), using)
