"""Celery's names that are no settings here: what replaces each of them, and why.

Source: Celery 5.7 `app/defaults.py` and its documentation of settings. A plugin may define a refused name;
then it is a setting like any other.
"""

from __future__ import annotations

from collections.abc import Collection

_URL = "write it into broker_url: scheme://user:password@host:port/name"
_RESULT_URL = "write it into result_backend: redis://user:password@host:port/database"
_RESULT_OPTIONS = "give it as an option of the plugin, in result_backend_transport_options or the URL's query"
_BROKER_OPTIONS = "give it as an option of the plugin, in broker_transport_options or the URL's query"
_DECLARED = "how a queue is declared on a server belongs to the broker's plugin: broker_transport_options"
_PARTS = "parts of tq are not replaced by a setting; pools, schedulers and drivers are plugins"
COMMAND = "give it to the command that starts the process (--logfile, --pidfile, --uid, --gid, --umask)"
_MONITOR = "the channels of events and remote control have no settings of their own"

REFUSED: dict[str, str] = {
    "broker_read_url": "one URL serves both directions: broker_url",
    "broker_write_url": "one URL serves both directions: broker_url",
    "broker_transport": "the scheme of broker_url chooses the plugin",
    "broker_host": _URL,
    "broker_port": _URL,
    "broker_user": _URL,
    "broker_password": _URL,
    "broker_vhost": _URL,
    "broker_login_method": _BROKER_OPTIONS,
    "broker_failover_strategy": "broker_url is one URL; how it names several servers is up to the plugin",
    "broker_native_delayed_delivery_queue_type": _BROKER_OPTIONS,
    "visibility_timeout": "a consumer that is alive keeps what it holds, for hours; broker_lease says how long "
    "a silent one counts as alive",
    "redis_db": _RESULT_URL,
    "redis_host": _RESULT_URL,
    "redis_port": _RESULT_URL,
    "redis_username": _RESULT_URL,
    "redis_password": _RESULT_URL,
    "cache_backend": "use result_backend, with the scheme of the cache's plugin",
    "cache_backend_options": _RESULT_OPTIONS,
    "database_url": "use result_backend, with the database's URL",
    "result_exchange": "the back end that used it is gone from Celery as well",
    "result_exchange_type": "the back end that used it is gone from Celery as well",
    "result_persistent": _RESULT_OPTIONS,
    "result_compression": "results are stored as they are",
    "result_chord_expires": "all that belongs to a result lives as long as result_expires says",
    "result_failure_expires": "all that belongs to a result lives as long as result_expires says",
    "override_backends": "a back end is a plugin: it names its scheme in the entry points `tq.backends`",
    "task_annotations": "give the options to the task, or to a base class of tasks",
    "task_acks_on_failure": "task_acks_on_failure_or_timeout decides for both",
    "task_acks_on_timeout": "task_acks_on_failure_or_timeout decides for both",
    "task_create_missing_queue_type": _DECLARED,
    "task_create_missing_queue_exchange_type": _DECLARED,
    "task_default_queue_type": _DECLARED,
    "task_inherit_parent_priority": "give `priority` to the task or to the call",
    "task_store_eager_result": "an eager call returns its result and stores nothing",
    "task_retry_on_worker_lost": "a task whose process died runs again up to worker_max_attempts times; "
    "task_reject_on_worker_lost = False turns that off",
    "task_allow_error_cb_on_chord_header": "give `link_error` to the tasks of the header",
    "worker_agent": _PARTS,
    "worker_autoscaler": _PARTS,
    "worker_consumer": _PARTS,
    "worker_timer": _PARTS,
    "worker_direct": "start the worker with a queue of its own: -Q NAME",
    "worker_deduplicate_successful_tasks": "a worker whose lease ended cannot settle or overwrite a result; "
    "a task that must not run twice has to check for itself",
    "worker_soft_shutdown_timeout": "worker_shutdown_timeout limits how long a warm shutdown may take",
    "worker_pool_start_method": "how children start is up to the pool's plugin",
    "worker_pool_restarts": "restart the worker instead; it gives back what it has not started",
    "worker_state_db": "a worker keeps no state in files",
    "beat_sync_every": "beat records each task that it sends",
    "beat_cron_starting_deadline": "each entry of beat_schedule says what becomes of missed runs: misfire, catch_up, grace",
    "beat_enable_remote_control": _MONITOR,
    "beat_remote_control_max_tick_age": _MONITOR,
}
"""Name → what to do instead."""

THERE = frozenset({"redis_backend_use_ssl"})
"""Settings of tq's whose names begin as a family of others does."""

REFUSED_FAMILIES: dict[str, str] = {
    "redis_": _RESULT_OPTIONS,
    "cache_": _RESULT_OPTIONS,
    "cassandra_": _RESULT_OPTIONS,
    "s3_": _RESULT_OPTIONS,
    "azureblockblob_": _RESULT_OPTIONS,
    "gcs_": _RESULT_OPTIONS,
    "couchbase_": _RESULT_OPTIONS,
    "arangodb_": _RESULT_OPTIONS,
    "mongodb_": _RESULT_OPTIONS,
    "cosmosdbsql_": _RESULT_OPTIONS,
    "elasticsearch_": _RESULT_OPTIONS,
    "database_": _RESULT_OPTIONS,
    "security_": 'the plugin that signs messages declares what it needs; install it with: pip install "tq[auth]"',
    "control_": _MONITOR,
    "event_": _MONITOR,
}
"""First part of names → what to do instead, for all names that begin so."""

REFUSED_DAEMON = tuple(
    f"{program}_{option}"
    for program in ("worker", "beat", "events")
    for option in ("logfile", "pidfile", "uid", "gid", "umask", "executable")
)

WITHOUT_EFFECT: dict[str, str] = {
    "broker_pool_limit": "a process needs few connections, and its plugin holds them",
    "broker_pool_acquire_timeout": "nothing waits for a connection from a pool",
    "broker_connection_timeout": "broker_publish_timeout covers connecting; a worker tries until it succeeds",
    "broker_connection_retry": "a worker always connects again",
    "broker_connection_max_retries": "a worker tries until it succeeds or is stopped",
    "broker_channel_error_retry": "a worker always connects again",
    "broker_heartbeat": "consumers beat several times within broker_lease",
    "broker_heartbeat_checkrate": "consumers beat several times within broker_lease",
    "result_cache_max": "results are not cached in the client",
    "result_chord_retry_interval": "the store counts the members of a chord; nothing polls",
    "result_chord_join_timeout": "the store counts the members of a chord; nothing polls",
    "result_backend_max_sleep_between_retries_ms": "tq decides how it waits for a result store",
    "result_backend_base_sleep_between_retries_ms": "tq decides how it waits for a result store",
    "result_backend_max_retries": "tq decides how it waits for a result store",
    "result_backend_always_retry": "tq decides how it waits for a result store",
    "result_backend_thread_safe": "result backends are always shared between threads",
    "task_default_delivery_mode": "messages are as durable as the broker can keep them",
    "task_remote_tracebacks": "the traceback of a failed task is stored as text, always",
    "task_repr_maxlevels": "tq decides how arguments are shortened for display",
    "worker_cancel_long_running_tasks_on_connection_loss": "tasks go on while the connection is down; what "
    "they hold is lent to somebody else only when broker_lease has run out, and then they can settle nothing",
    "worker_enable_soft_shutdown_on_idle": "an idle worker has nothing to wait for",
    "worker_lost_wait": "a dead process is noticed at once",
    "worker_pool_putlocks": "no task waits in a pool",
    "worker_proc_alive_timeout": "a child takes work when it is ready for it",
    "worker_eta_task_limit": "delayed tasks wait in the broker, not in the worker",
    "worker_enable_prefetch_count_reduction": "a worker takes little ahead, and gives back what waits",
    "worker_disable_prefetch": "a worker takes little ahead, and gives back what waits",
    "worker_timer_precision": "delayed tasks wait in the broker, not in the worker",
    "worker_detect_quorum_queues": "nothing has to be set for quorum queues",
}
"""Name → why nothing has to replace it. Taken with one warning, so that moving over is easy."""

OLD_NAMES: dict[str, str] = {
    "celery_task_result_expires": "result_expires",
    "celery_max_cached_results": "result_cache_max",
    "celery_message_compression": "task_compression",
    "celery_eager_propagates_exceptions": "task_eager_propagates",
    "celery_send_task_sent_event": "task_send_sent_event",
    "celery_send_events": "worker_send_task_events",
    "celery_result_dburi": "database_url",
    "celery_result_engine_options": "database_engine_options",
    "celery_result_db_short_lived_sessions": "database_short_lived_sessions",
    "celery_result_db_tablenames": "database_table_names",
}
"""Old spellings (before Celery 4, in lower case) that follow no rule → today's name."""

_OLD_RULES = (
    ("celerybeat_", ("beat_",)),
    ("celeryd_", ("worker_", "")),
    ("celery_", ("", "task_", "worker_", "result_")),
)


def refusal(name: str) -> str | None:
    """Why Celery's setting `name` is refused and what to do instead; None for all other names."""
    if name in WITHOUT_EFFECT or name in THERE:
        return None
    if name in REFUSED_DAEMON:
        return COMMAND
    family = next((why for first, why in REFUSED_FAMILIES.items() if name.startswith(first)), None)
    return REFUSED.get(name, family)


def is_celery(name: str) -> bool:
    """Whether this is a name of Celery that tq knows and does not have."""
    return name in WITHOUT_EFFECT or refusal(name) is not None


def new_name(old: str, names: Collection[str]) -> str | None:
    """Today's name for a spelling of Celery 3 (any case); `names` are the settings there are."""
    old = old.lower()
    if old in OLD_NAMES:
        return OLD_NAMES[old]
    for prefix, replacements in _OLD_RULES:
        if old.startswith(prefix):
            today = (new + old.removeprefix(prefix) for new in replacements)
            return next((name for name in today if name in names or is_celery(name)), None)
    return None
