"""From a task and the settings to the worker's plan for it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from tq.app import models
from tq.app.task import Task
from tq.config import Settings
from tq.policy.ratelimit import TokenBucket, parse_rate
from tq.worker.plan import TaskPlan


def plan_of(task: Task[..., Any], conf: Settings, *, processes: int = 1) -> TaskPlan:
    """Decide everything that the worker has to know about this task.

    A rate limit holds for one worker, so each of its `processes` that receive for themselves gets its share.
    """
    body = _body(task)
    with_models = task.pydantic
    return TaskPlan(
        name=task.name,
        body=body,
        task=task,
        is_coroutine=inspect.iscoroutinefunction(body),
        ignore_result=_either(task.ignore_result, conf.task_ignore_result),
        store_errors=_either(task.store_errors_even_if_ignored, conf.task_store_errors_even_if_ignored),
        track_started=_either(task.track_started, conf.task_track_started),
        acks_late=_either(task.acks_late, conf.task_acks_late),
        acks_on_failure=_either(task.acks_on_failure_or_timeout, conf.task_acks_on_failure_or_timeout),
        reject_on_worker_lost=_either(task.reject_on_worker_lost, conf.task_reject_on_worker_lost),
        bucket=_bucket(task, conf, processes),
        soft_time_limit=task.soft_time_limit,
        time_limit=task.time_limit,
        max_retries=task.max_retries,
        throws=tuple(task.throws),
        autoretry=task.autoretry if task.autoretry_for else None,
        adapt_args=models.argument_reader(body, strict=task.pydantic_strict, context=task.pydantic_context)
        if with_models
        else None,
        adapt_result=(lambda value: models.dump(value, task.pydantic_dump_kwargs)) if with_models else None,
        extended=conf.result_extended,
        before_start=_handler(task, "before_start"),
        on_success=_handler(task, "on_success"),
        on_failure=_handler(task, "on_failure"),
        on_retry=_handler(task, "on_retry"),
        after_return=_handler(task, "after_return"),
    )


def _bucket(task: Task[..., Any], conf: Settings, processes: int) -> TokenBucket | None:
    limit = conf.task_default_rate_limit if task.rate_limit is None else task.rate_limit
    rate = None if conf.worker_disable_rate_limits else parse_rate(limit)
    return None if rate is None else TokenBucket(rate / processes)


def _body(task: Task[..., Any]) -> Callable[..., Any]:
    # A task class may wrap its calls, as Flask's do with their context: then the wrapper is the body.
    if type(task).__call__ is not Task.__call__:
        return task
    return task.run


def _handler(task: Task[..., Any], name: str) -> Callable[..., Any] | None:
    return None if getattr(type(task), name) is getattr(Task, name) else getattr(task, name)


def _either(own: bool | None, setting: bool) -> bool:
    return setting if own is None else own
