"""What ran before a task, and what came of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from tq.client.graph import DependencyGraph
from tq.errors import IncompleteStream

R = TypeVar("R")


class Lineage:
    """The part of `AsyncResult` that is about other results than its own."""

    id: str
    parent: Any

    def as_tuple(self) -> tuple[Any, Any]:
        """Celery's form of a result inside messages."""
        found: Any = None
        for result in reversed(self._lineage()):
            members = getattr(result, "results", None)
            found = (result.id, found), None if members is None else [each.as_tuple() for each in members]
        made: tuple[Any, Any] = found
        return made

    def as_list(self) -> list[str]:
        """The ids of this task and of those before it in its chain."""
        return [result.id for result in self._lineage()]

    def _lineage(self) -> list[Any]:
        """This result and those before it; without recursion, for a chain may be long."""
        found: list[Any] = []
        result: Any = self
        while result is not None:
            found.append(result)
            result = result.parent
        return found

    def get_leaf(self) -> Any:
        """The value of the last task that came of this one; waits for all of them."""
        value = None
        for _, result in self.iterdeps():
            value = result.get()
        return value

    def iterdeps(self, intermediate: bool = False) -> Iterator[tuple[Any, Any]]:
        """(parent, result) of this task and of all that came of it, breadth first.

        Raises `IncompleteStream` where one has not ended when the next is asked for, for what came of it is not known
        yet; with `intermediate` it is taken as one of which nothing came.
        """
        waiting: deque[tuple[Any, Any]] = deque([(None, self)])
        while waiting:
            parent, result = waiting.popleft()
            yield parent, result
            if result.ready():
                waiting.extend((result, child) for child in result.children or ())
            elif not intermediate:
                raise IncompleteStream(
                    f"what came of {result.id} is not known before it has ended; wait for it, or pass intermediate=True"
                )

    def collect(self, intermediate: bool = False, **kwargs: Any) -> Iterator[tuple[Any, Any]]:
        """(result, value) of this task and of all that came of it; `kwargs` are for `get`."""
        for _, result in self.iterdeps(intermediate=intermediate):
            yield result, result.get(**kwargs)

    def build_graph(self, intermediate: bool = False) -> DependencyGraph[Any]:
        """This result and all that came of it, as a graph; `to_dot` writes it for graphviz. As `iterdeps`."""
        graph: DependencyGraph[Any] = DependencyGraph()
        for parent, result in self.iterdeps(intermediate):
            graph.add_arc(result)
            if parent is not None:
                graph.add_edge(parent, result)
        return graph

    @property
    def graph(self) -> DependencyGraph[Any]:
        """`build_graph()`. Raises `IncompleteStream` while something has not ended."""
        return self.build_graph()

    async def aget_leaf(self) -> Any:
        """`get_leaf` for async code."""
        return await _in_thread(self.get_leaf)

    async def acollect(self, intermediate: bool = False) -> list[tuple[Any, Any]]:
        """What `collect` gives, all at once, for async code."""
        return await _in_thread(lambda: list(self.collect(intermediate)))


async def _in_thread(function: Callable[[], R]) -> R:
    import asyncio  # not at the top: a third of the time that importing tq takes

    return await asyncio.to_thread(function)
