"""The tree of a workflow in graphviz's language."""

from __future__ import annotations

import io

from tq.app.tree import GroupNode, Row, TaskNode
from tq.client.graph import attributes, quoted

_COLORS = {
    "SUCCESS": "palegreen",
    "FAILURE": "salmon",
    "REVOKED": "lightgrey",
    "RETRY": "khaki",
    "STARTED": "lightblue",
}


def dot_of(row: Row) -> str:
    """A box for each task in the color of its state; solid lines to what follows, dashed ones to what it sent."""
    page = io.StringIO()
    print('digraph workflow {\n    node [shape="box", style="filled"]', file=page)
    _draw(row, [], page, "solid")
    print("}", file=page)
    return page.getvalue()


def _draw(row: Row, before: list[str], page: io.StringIO, style: str) -> list[str]:
    """The ends of the row, from which what follows it is reached."""
    for step in row:
        if isinstance(step, GroupNode):
            before = [end for member in step.members for end in _draw(member, before, page, style)]
        else:
            _draw_task(step, before, page, style)
            before = [step.id]
        style = "solid"
    return before


def _draw_task(task: TaskNode, before: list[str], page: io.StringIO, style: str) -> None:
    label = "\n".join(word for word in (task.title, task.state, task.ended or "") if word)
    color = _COLORS.get(task.state, "white")
    print(f"    {quoted(task.id)} [{attributes((('label', label), ('fillcolor', color)))}]", file=page)
    for each in before:
        print(f"    {quoted(each)} -> {quoted(task.id)} [{attributes((('style', style),))}]", file=page)
    for inner in task.inside:
        _draw(inner, [task.id], page, "dashed")
