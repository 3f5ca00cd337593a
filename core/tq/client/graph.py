"""Which results came of which: a graph, and its picture in the language of graphviz.

Names as Celery's `celery.utils.graph.DependencyGraph` has them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import Any, Generic, TextIO, TypeVar

T = TypeVar("T", bound=Hashable)


def quoted(text: Any) -> str:
    """Text as graphviz reads it."""
    escaped = str(text).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def attributes(values: Iterable[tuple[str, Any]]) -> str:
    """Attributes of a node or an edge, as graphviz reads them."""
    return ", ".join(f"{name}={quoted(value)}" for name, value in values)


class DependencyGraph(Generic[T]):
    """Objects, and from each to those that came of it."""

    def __init__(self, it: Iterable[tuple[T, Iterable[T]]] = ()) -> None:
        self.adjacent: dict[T, list[T]] = {}
        self.update(it)

    def add_arc(self, obj: T) -> None:
        """Add an object."""
        self.adjacent.setdefault(obj, [])

    def add_edge(self, A: T, B: T) -> None:
        """Say that B came of A; A has to be there."""
        self.adjacent[A].append(B)

    def update(self, it: Iterable[tuple[T, Iterable[T]]]) -> None:
        """Add objects with what came of each."""
        for obj, following in it:
            self.add_arc(obj)
            for other in following:
                self.add_arc(other)
                self.add_edge(obj, other)

    def topsort(self) -> list[T]:
        """All objects, each after those that came of it. Raises `ValueError` for a circle."""
        open_ = Counter(other for following in self.adjacent.values() for other in following)
        ready = [obj for obj in self.adjacent if not open_[obj]]
        found = []
        while ready:
            obj = ready.pop()
            found.append(obj)
            for other in self.adjacent.get(obj, ()):
                open_[other] -= 1
                if not open_[other]:
                    ready.append(other)
        if len(found) < len(self.adjacent):
            raise ValueError("the graph has a circle")
        return found[::-1]

    def edges(self) -> Iterator[T]:
        """The objects of which something came."""
        return (obj for obj, following in self.adjacent.items() if following)

    def items(self) -> Iterable[tuple[T, list[T]]]:
        """Objects, with what came of each."""
        return self.adjacent.items()

    def to_dot(self, fh: TextIO, formatter: Callable[[T], Iterable[tuple[str, Any]]] | None = None) -> None:
        """Write the graph in graphviz's language; `formatter` gives the attributes of an object's node."""
        print("digraph dependencies {", file=fh)
        for obj, following in self.adjacent.items():
            more = attributes(formatter(obj)) if formatter is not None else 'shape="oval"'
            print(f"    {quoted(obj)} [{more}]", file=fh)
            for other in following:
                print(f"    {quoted(obj)} -> {quoted(other)}", file=fh)
        print("}", file=fh)

    def __iter__(self) -> Iterator[T]:
        return iter(self.adjacent)

    def __getitem__(self, obj: T) -> list[T]:
        return self.adjacent[obj]

    def __len__(self) -> int:
        return len(self.adjacent)

    def __contains__(self, obj: object) -> bool:
        return obj in self.adjacent
