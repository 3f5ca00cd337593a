"""The static types of all settings, for type checkers; a test compares them with the definitions."""

from __future__ import annotations

from typing import Any, Literal

from tq.config.routes import Routes
from tq.records import Queue


class SettingsFields:
    """What `conf.NAME` is. The values live in `Settings`, the meaning in `tq.config.definitions`."""

    accept_content: tuple[str, ...]
    result_accept_content: tuple[str, ...] | None
    message_size_limit: int
    imports: tuple[str, ...]
    include: tuple[str, ...]
    timezone: str | None
    enable_utc: bool

    broker_url: str
    broker_transport_options: dict[str, Any]
    broker_use_ssl: dict[str, Any] | None
    broker_publish_timeout: float
    broker_lease: float
    broker_connection_retry_on_startup: bool

    result_backend: str | None
    result_backend_transport_options: dict[str, Any]
    redis_backend_use_ssl: dict[str, Any] | None
    result_expires: float | None
    result_extended: bool
    result_workflows: bool
    result_serializer: str

    task_default_queue: str
    task_default_exchange: str | None
    task_default_exchange_type: Literal["direct", "topic", "fanout"]
    task_default_routing_key: str | None
    task_queues: tuple[Queue, ...] | None
    task_create_missing_queues: bool
    task_queue_max_priority: int | None
    task_routes: Routes | None
    task_default_priority: int | None
    task_default_rate_limit: str | float | None
    task_serializer: str
    task_compression: str | None
    task_protocol: Literal[2]
    task_publish_retry: bool
    task_publish_retry_policy: dict[str, Any]
    task_send_sent_event: bool
    task_acks_late: bool
    task_acks_on_failure_or_timeout: bool
    task_reject_on_worker_lost: bool
    task_time_limit: float | None
    task_soft_time_limit: float | None
    task_track_started: bool
    task_ignore_result: bool
    task_store_errors_even_if_ignored: bool
    task_always_eager: bool
    task_eager_propagates: bool

    worker_pool: str
    worker_concurrency: int | None
    worker_prefetch_multiplier: int | None
    worker_max_attempts: int
    worker_max_tasks_per_child: int | None
    worker_max_memory_per_child: int | None
    worker_shutdown_timeout: float | None
    worker_disable_rate_limits: bool
    worker_enable_remote_control: bool
    worker_send_task_events: bool
    worker_skip_unheard_events: bool
    worker_health_address: str | None
    worker_hijack_root_logger: bool
    worker_log_json: bool
    worker_log_color: bool | None
    worker_log_format: str
    worker_log_datefmt: str | None
    worker_task_log_format: str
    worker_task_log_datefmt: str | None
    worker_redirect_stdouts: bool
    worker_redirect_stdouts_level: str

    beat_schedule: dict[str, dict[str, Any]]
    beat_scheduler: str
    beat_schedule_filename: str
    beat_lease: float
    beat_max_loop_interval: float
