"""What came of a task, as a graph."""

from __future__ import annotations

import asyncio
import io
from typing import Any

import pytest

from core.tests.canvas.stage import Stage
from tq import TQ, chain, group
from tq.client.graph import DependencyGraph
from tq.errors import IncompleteStream


@pytest.fixture
def add(app: TQ) -> Any:
    return app.task(name="add")(lambda x, y: x + y)


def test_the_graph_of_a_chain_leads_from_each_to_the_next(app: TQ, add: Any) -> None:
    last = chain(add.s(1, 1), add.s(1), add.s(1)).delay()
    first = last.parent.parent
    Stage(app).drain()
    assert list(first.graph.items()) == [(first, [last.parent]), (last.parent, [last]), (last, [])]
    assert first.graph.topsort() == [last, last.parent, first]
    assert list(first.graph.edges()) == [first, last.parent]


def test_members_of_a_group_came_of_their_group(app: TQ, add: Any) -> None:
    sent = chain(add.s(1, 1), group(add.s(1), add.s(2))).delay()
    Stage(app).drain()
    graph = sent.parent.graph
    assert graph[sent.parent] == [sent]
    assert graph[sent] == sent.results
    assert len(graph) == 4


def test_a_graph_is_written_for_graphviz(app: TQ, add: Any) -> None:
    last = chain(add.s(1, 1), add.s(1)).delay()
    Stage(app).drain()
    page = io.StringIO()
    last.parent.graph.to_dot(page)
    assert page.getvalue().splitlines() == [
        "digraph dependencies {",
        f'    "{last.parent}" [shape="oval"]',
        f'    "{last.parent}" -> "{last}"',
        f'    "{last}" [shape="oval"]',
        "}",
    ]
    page = io.StringIO()
    last.graph.to_dot(page, formatter=lambda result: [("label", f'a "{result.state}"\n\\')])
    assert f'"{last}" [label="a \\"SUCCESS\\"\\n\\\\"]' in page.getvalue()


def test_what_has_not_ended_has_no_graph_yet(app: TQ, add: Any) -> None:
    sent = add.delay(1, 1)
    with pytest.raises(IncompleteStream, match=sent.id):
        _ = sent.graph
    assert list(sent.build_graph(intermediate=True)) == [sent]
    assert sent.exists() is False
    Stage(app).drain()
    assert list(sent.graph) == [sent]
    assert sent.exists() is True


def test_collect_and_the_leaf_follow_what_tasks_sent(app: TQ, add: Any) -> None:
    def parent(number: int) -> int:
        group(add.s(number, each) for each in range(3)).delay()
        return number

    task: Any = app.task(name="parent")(parent)
    sent = task.delay(10)
    Stage(app).drain()
    leaves = [value for result, value in sent.collect() if not result.children]
    assert leaves == [10, 11, 12]
    assert sent.get_leaf() == 12
    assert asyncio.run(sent.aget_leaf()) == 12
    assert [value for _, value in asyncio.run(sent.acollect())] == [10, [10, 11, 12], 10, 11, 12]


def test_members_can_be_awaited_as_they_end(app: TQ, add: Any) -> None:
    boom: Any = app.task(name="boom")(lambda: 1 / 0)
    sent = group(add.s(1, 1), boom.s(), add.s(2, 2)).delay()
    Stage(app).drain()

    async def found() -> dict[str, Any]:
        return {task_id: value async for task_id, value in sent.aiterate(timeout=30, propagate=False)}

    values = asyncio.run(found())
    assert (values[sent[0].id], values[sent[2].id]) == (2, 4)
    assert isinstance(values[sent[1].id], ZeroDivisionError)

    async def first_error() -> None:
        async for _ in sent.aiterate(timeout=30):
            pass

    with pytest.raises(ZeroDivisionError):
        asyncio.run(first_error())


def test_forgetting_a_chain_forgets_what_ran_before(app: TQ, add: Any) -> None:
    sent = chain(group(add.s(1, 1), add.s(2, 2)), app.task(name="total")(sum).s(), add.s(1)).delay()
    Stage(app).drain()
    every = [sent, sent.parent, *sent.parent.parent.results]
    assert all(each.exists() for each in every)
    sent.forget()
    assert not any(each.exists() for each in every)


def test_a_workflow_can_be_forgotten(app: TQ, add: Any) -> None:
    sent = chain(add.s(1, 1), add.s(1)).delay()
    Stage(app).drain()
    app.workflow(sent.id).forget()
    assert not sent.exists()
    assert len(app.workflow(sent.id).tasks()) == 1


def test_a_circle_has_no_order() -> None:
    with pytest.raises(ValueError, match="circle"):
        DependencyGraph([("a", ["b"]), ("b", ["a"])]).topsort()
    assert DependencyGraph([("a", ["b", "c"]), ("b", ["c"])]).topsort() == ["c", "b", "a"]
    assert "a" in DependencyGraph([("a", [])])
