"""Programs that are right: neither checker may complain. `assert_type` says what they must infer."""

from __future__ import annotations

import datetime as dt
from typing import Any, assert_type

from tq import (
    TQ,
    AsyncResult,
    EagerResult,
    GroupResult,
    Retry,
    Signature,
    Task,
    chain,
    chord,
    current_app,
    group,
    shared_task,
)
from tq.request import Request

app = TQ("shop", broker="memory://", backend="memory://", task_acks_late=True)


@app.task
def add(x: int, y: int = 0) -> int:
    return x + y


@app.task(
    name="shop.charge",
    max_retries=None,
    default_retry_delay=10,
    autoretry_for=(OSError,),
    dont_autoretry_for=(FileNotFoundError,),
    retry_backoff=True,
    retry_backoff_max=60,
    retry_jitter=False,
    rate_limit="10/m",
    queue="orders",
    priority=9,
    expires=dt.timedelta(hours=1),
    time_limit=30,
    soft_time_limit=20.5,
    throws=(KeyError,),
    ignore_result=False,
    track_started=True,
)
def charge(order: str, *, amount: float) -> list[str]:
    return [order, str(amount)]


@app.task(bind=True, max_retries=3)
def fetch(self: Task[..., Any], url: str) -> bytes:
    assert_type(self.request, Request)
    assert_type(self.request.retries, int)
    self.update_state(state="PROGRESS", meta={"done": 1})
    try:
        return url.encode()
    except OSError as exc:
        raise self.retry(exc=exc, countdown=2, max_retries=5, queue="slow") from exc


@app.task
async def page(url: str) -> str:
    return url


@app.task(bind=True)
async def bound_page(self: Task[..., Any], url: str, tries: int = 3) -> dict[str, int]:
    return {url: tries + self.request.retries}


@shared_task
def mail(to: str) -> None:
    return None


@shared_task(ignore_result=True)
def log_line(text: str) -> bool:
    return bool(text)


@shared_task(bind=True)
def again(self: Task[..., Any], text: str) -> str:
    assert_type(self.retry(throw=False), Retry)
    return text


class Database(Task[[str, int], float]):
    """A class-based task: its type arguments are its own signature."""

    name = "shop.query"
    dialect: str = "postgresql"

    def run(self, query: str, limit: int) -> float:
        return len(query) * limit / 1.0

    def on_failure(self, exc: BaseException, task_id: str, args: Any, kwargs: Any, einfo: Any) -> None:
        print(self.dialect, exc, task_id)


query = app.register_task(Database())
of_a_class = app.register_task(Database)


class WithSession(Task[..., Any]):
    """A base class that gives its tasks something of their own."""

    session: str = "s"


@app.task(bind=True, base=WithSession, session="other")
def save(self: WithSession, row: int) -> str:
    return self.session * row


@app.task(base=WithSession)
def load(row: int) -> int:
    return row


def calls() -> None:
    assert_type(add(1, 2), int)
    assert_type(add.delay(1, y=2), AsyncResult[int])
    assert_type(add.delay(1).get(timeout=10), int)
    assert_type(add.delay(1).get(propagate=False), int)
    assert_type(add.apply_async((1, 2), countdown=3.5, priority=1), AsyncResult[int])
    assert_type(
        add.apply_async(kwargs={"x": 1}, eta=dt.datetime.now(dt.UTC), link=add.s(1)), AsyncResult[int]
    )
    assert_type(add.apply((1,), throw=True), EagerResult[int])
    assert_type(add.AsyncResult("id"), AsyncResult[int])
    assert_type(charge("o", amount=1.5), list[str])
    assert_type(charge.delay("o", amount=1.5), AsyncResult[list[str]])
    assert_type(fetch.delay("https://example.org"), AsyncResult[bytes])
    assert_type(page.delay("u"), AsyncResult[str])
    assert_type(page.apply_async(("u",)), AsyncResult[str])
    assert_type(page.apply(("u",)).get(), str)
    assert_type(bound_page.delay("u", tries=1), AsyncResult[dict[str, int]])
    assert_type(mail.delay("a@example.org").get(), None)
    assert_type(log_line.delay("x"), AsyncResult[bool])
    assert_type(again.delay("x"), AsyncResult[str])
    assert_type(query.delay("select", 3), AsyncResult[float])
    assert_type(of_a_class.delay("select", 3), AsyncResult[float])
    assert_type(save.delay(3), AsyncResult[str])
    assert_type(load.delay(3), AsyncResult[int])
    assert_type(add.s(1), Signature)
    assert_type(add.signature((1,), countdown=1), Signature)
    assert_type(add.s(1) | add.s(2), chain | chord)
    assert_type(chain(add.s(1), group(add.s(2), add.s(3))).clone(), chain)
    assert_type(chord([add.s(1)], add.s(2)).body, Signature | None)
    assert_type(GroupResult("id", [], app).get(timeout=1), list[Any])
    assert_type(app.send_task("other.task", (1,), queue="q", expires=60), AsyncResult[Any])
    assert_type(current_app, TQ)
    current_app.conf.update(task_always_eager=True)
    assert_type(app.conf.task_default_queue, str)


async def awaited() -> None:
    assert_type(await add.delay(1), int)
    assert_type(await add.adelay(1), AsyncResult[int])
    assert_type(await (await add.adelay(1)), int)
    assert_type(await page.adelay("u"), AsyncResult[str])
    assert_type(await (await page.adelay("u")), str)
    assert_type(await (await page.aapply_async(("u",), countdown=1)), str)
    assert_type(await page.delay("u").aget(timeout=1), str)
    assert_type(await page("u"), str)
