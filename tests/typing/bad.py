"""Programs that are wrong: both checkers must complain on each line that ends in `# error`, and on no other."""

from __future__ import annotations

from typing import Any

from tq import TQ, AsyncResult, Task, current_app, shared_task

app = TQ("shop")


@app.task
def add(x: int, y: int = 0) -> int:
    return x + y


@app.task(max_retries=5)
def charge(order: str, *, amount: float) -> str:
    return f"{order}{amount}"


@app.task(bind=True)
def fetch(self: Task[..., Any], url: str) -> bytes:
    print(self.reqest)  # error
    self.retry(countdwn=1)  # error
    return url.encode()


@app.task
async def page(url: str) -> str:
    return url


@shared_task
def mail(to: str) -> None:
    return None


@app.task(bind=True)  # error
def forgot_self() -> int:
    return 1


@app.task(max_retry=5)  # error
def misspelt() -> int:
    return 1


@app.task(max_retries="many")  # error
def wrong_kind() -> int:
    return 1


@shared_task(autoretry_for=(1,))  # error
def not_an_error() -> int:
    return 1


class Query(Task[[str], float]):
    def run(self, query: str) -> float:
        return 1.0


query = app.register_task(Query())


def calls() -> None:
    add.delay("1")  # error
    add.delay()  # error
    add.delay(1, z=2)  # error
    add.delay(1, 2, 3)  # error
    add("1")  # error
    charge.delay("o", 1.5)  # error
    charge.delay("o")  # error
    fetch.delay(fetch, "url")  # error
    fetch.delay(1)  # error
    mail.delay(to=1)  # error
    query.delay(1)  # error
    page.delay(1)  # error
    add.apply_async((1,), countdwn=1)  # error
    add.apply_async((1,), priority="high")  # error
    add.apply_async(1)  # error
    app.send_task("other", queu="q")  # error
    text: str = add.delay(1).get()  # error
    number: AsyncResult[int] = page.delay("u")  # error
    print(text, number)
    current_app.no_such_thing()  # error
    print(current_app.conf.task_acks_lat)  # error


async def awaited() -> None:
    number: int = await page.delay("u")  # error
    text: str = await add.adelay(1)  # error
    await add.adelay("1")  # error
    print(number, text)
