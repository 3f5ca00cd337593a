"""The options of tasks: all are honoured, wrong ones are refused when the task is made."""

from __future__ import annotations

import functools
from typing import Any

import pytest

from tq import TQ, Task
from tq.app.keywords import TaskKeywords
from tq.app.options import HANDLERS, RETRY_OPTIONS, task_options
from tq.app.plan import plan_of
from tq.client.keywords import RetryKeywords
from tq.errors import AlreadyRegistered, ImproperlyConfigured, NotRegistered


def body(*args: Any, **kwargs: Any) -> None: ...


def test_type_checkers_see_the_options_that_there_are() -> None:
    assert TaskKeywords.__optional_keys__ == task_options(Task) - {"bind"}
    assert RetryKeywords.__optional_keys__ == RETRY_OPTIONS


def test_an_option_becomes_an_attribute_of_the_task(app: TQ) -> None:
    task = app.task(name="t", max_retries=None, queue="q", throws=(KeyError,), rate_limit="10/m")(body)
    assert (task.name, task.max_retries, task.queue, task.throws) == ("t", None, "q", (KeyError,))
    assert task.rate_limit == "10/m"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"max_retry": 1}, r"'body': unknown option 'max_retry'; did you mean 'max_retries'\?"),
        ({"nam": "x"}, "did you mean 'name'"),
        ({"zzz": 1}, "unknown option 'zzz'$"),
        ({"max_retries": -1}, "max_retries is a whole number"),
        ({"max_retries": "3"}, "max_retries is a whole number"),
        ({"default_retry_delay": "1"}, "default_retry_delay is a number"),
        ({"retry_backoff": "fast"}, "retry_backoff is a number"),
        ({"retry_backoff_max": -1}, "retry_backoff_max is a number"),
        ({"time_limit": float("inf")}, "time_limit is a number"),
        ({"soft_time_limit": "1"}, "soft_time_limit is a number"),
        ({"rate_limit": "10/x"}, "task 'shop.t': '10/x' is no rate limit"),
        ({"priority": 10}, "priority is 0 to 9"),
        ({"autoretry_for": (1,)}, "autoretry_for takes exception classes, not 1"),
        ({"throws": (int,)}, "throws takes exception classes"),
    ],
)
def test_a_wrong_option_is_refused_when_the_task_is_made(app: TQ, options: dict[str, Any], says: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=says):
        app.task(**{"name": "shop.t", **options})(body)
    assert not app.tasks


def test_a_wrong_option_of_a_class_is_refused_when_it_is_registered(app: TQ) -> None:
    class Wrong(Task[..., Any]):
        rate_limit = "often"

    with pytest.raises(ImproperlyConfigured, match=r"test_options\.Wrong': 'often' is no rate limit"):
        app.register_task(Wrong)
    with pytest.raises(ImproperlyConfigured, match="did you mean 'queue'"):
        app.register_task(Task, queu="q")
    with pytest.raises(ImproperlyConfigured, match="derives from Task"):
        app.register_task(body)  # type: ignore[arg-type]


@pytest.mark.parametrize("errors", [KeyError, [KeyError], (KeyError,)])
def test_exception_classes_may_be_given_alone_or_as_a_list(app: TQ, errors: Any) -> None:
    task = app.task(autoretry_for=errors, throws=errors)(body)
    assert task.autoretry_for == task.throws == (KeyError,)


def test_a_base_class_adds_options_of_its_own(app: TQ) -> None:
    class Base(Task[..., Any]):
        tenant: str = "nobody"

    assert app.task(base=Base, tenant="me")(body).tenant == "me"  # type: ignore[attr-defined]
    with pytest.raises(ImproperlyConfigured, match="did you mean 'tenant'"):
        app.task(base=Base, tenan="me")(body)


@pytest.mark.parametrize("how", ["class", "path"])
def test_an_app_may_have_a_task_class_for_all(make_app: Any, how: str) -> None:
    app = make_app(task_cls=Named if how == "class" else f"{__name__}:Named")
    assert isinstance(app.task(body), Named)
    assert not isinstance(app.task(name="plain", base=Task)(body), Named)


class Named(Task[..., Any]):
    """A task class to be found by its path."""


@pytest.mark.parametrize("handler", HANDLERS)
def test_a_handler_may_be_given_as_an_option(app: TQ, handler: str) -> None:
    def handle(self: Any, *args: Any) -> Any:
        return self.name, args

    task = app.task(name="t", **{handler: handle})(body)  # type: ignore[call-overload]
    assert getattr(task, handler)(1) == ("t", (1,))
    assert getattr(plan_of(task, app.conf), handler)(2) == ("t", (2,))


SETTINGS = [
    ("ignore_result", "task_ignore_result", "ignore_result"),
    ("store_errors_even_if_ignored", "task_store_errors_even_if_ignored", "store_errors"),
    ("track_started", "task_track_started", "track_started"),
    ("acks_late", "task_acks_late", "acks_late"),
    ("acks_on_failure_or_timeout", "task_acks_on_failure_or_timeout", "acks_on_failure"),
    ("reject_on_worker_lost", "task_reject_on_worker_lost", "reject_on_worker_lost"),
]


@pytest.mark.parametrize(("option", "setting", "field"), SETTINGS)
@pytest.mark.parametrize("own", [None, False, True])
@pytest.mark.parametrize("general", [False, True])
def test_a_task_decides_over_the_setting(
    make_app: Any, option: str, setting: str, field: str, own: bool | None, general: bool
) -> None:
    app = make_app(**{setting: general})
    plan = plan_of(app.task(**{option: own})(body), app.conf)
    assert getattr(plan, field) is (general if own is None else own)


@pytest.mark.parametrize(
    ("own", "general", "disabled", "rate"),
    [
        (None, None, False, None),
        ("60/m", None, False, 1.0),
        (None, "120/m", False, 2.0),
        (5, "120/m", False, 5.0),
        (0, "120/m", False, None),
        (5, 5, True, None),
    ],
)
def test_the_rate_limit_is_the_task_s_or_the_default_one(
    make_app: Any, own: Any, general: Any, disabled: bool, rate: float | None
) -> None:
    app = make_app(task_default_rate_limit=general, worker_disable_rate_limits=disabled)
    bucket = plan_of(app.task(rate_limit=own)(body), app.conf).bucket
    assert (bucket and bucket.rate) == rate


def test_the_processes_of_a_worker_share_a_rate_limit(app: TQ) -> None:
    bucket = plan_of(app.task(rate_limit=8)(body), app.conf, processes=4).bucket
    assert bucket is not None
    assert bucket.rate == 2.0


# -- names ---------------------------------------------------------------------------------------------------


def test_a_name_is_module_and_function(app: TQ) -> None:
    assert app.task(body).name == f"{__name__}.body"


def test_functions_of_main_are_named_after_the_app(app: TQ, make_app: Any) -> None:
    assert app.gen_task_name("add", "__main__") == "shop.add"
    assert make_app(main=None).gen_task_name("add", "__main__").endswith(".add")
    assert app.gen_task_name("add", "shop.tasks") == "shop.tasks.add"


def test_callables_without_a_name_of_their_own_can_be_tasks(app: TQ) -> None:
    class Adder:
        def __call__(self, x: int) -> int:
            return x + 1

    assert app.task(name="a")(Adder())(1) == 2
    assert app.task(name="b")(functools.partial(max, 3))(1) == 3


@pytest.mark.parametrize("wrong", ["shop.add", 5])
def test_what_is_no_function_is_refused(app: TQ, wrong: Any) -> None:
    with pytest.raises(ImproperlyConfigured, match="takes options by keyword, and a function"):
        app.task(wrong)


# -- the registry --------------------------------------------------------------------------------------------


def test_two_tasks_of_one_name_are_refused_and_both_are_named(app: TQ) -> None:
    app.task(name="shop.add")(body)
    with pytest.raises(
        AlreadyRegistered,
        match=r"two tasks are called 'shop.add': .*\.body and .*\.other; give one .* another name=",
    ):
        app.task(name="shop.add")(other)


def other() -> None: ...


def test_functions_of_one_name_in_two_files_are_two_tasks(app: TQ) -> None:
    for file in ("a.py", "b.py"):
        scope: dict[str, Any] = {"__name__": "tasks"}
        exec(compile("def add(): ...", file, "exec"), scope)  # noqa: S102
        if file == "a.py":
            app.task(name="math.add")(scope["add"])
        else:
            with pytest.raises(AlreadyRegistered):
                app.task(name="math.add")(scope["add"])


def test_a_reloaded_module_brings_its_tasks_again(app: TQ) -> None:
    for _ in range(2):
        scope: dict[str, Any] = {"__name__": "tasks"}
        exec(compile("def add(): ...", "tasks.py", "exec"), scope)  # noqa: S102
        task = app.task(scope["add"])
    assert app.tasks["tasks.add"] is task


def test_an_unknown_task_is_asked_for_with_the_next_step(app: TQ) -> None:
    with pytest.raises(NotRegistered, match=r"no task 'shop\.nope' is registered; .*include="):
        app.tasks["shop.nope"]
    assert app.tasks.get("shop.nope") is None
