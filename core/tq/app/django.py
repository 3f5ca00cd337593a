"""Django around tasks, where `DJANGO_SETTINGS_MODULE` names a project: it is set up before modules are imported, its
apps are where `autodiscover_tasks()` looks, and its database connections are checked around each task.

Nothing here needs Django to be installed. Source of what is done: Celery 5.7 `celery.fixups.django`.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
import os
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tq.app.app import TQ

logger = logging.getLogger("tq.app")

VARIABLE = "DJANGO_SETTINGS_MODULE"
TASK_CLASS = "tq.contrib.django:DjangoTask"
_NAME = "django"


def is_used() -> bool:
    """Whether a project is named and Django is there."""
    return bool(os.environ.get(VARIABLE)) and importlib.util.find_spec("django") is not None


def default_task_class() -> str | None:
    """The base of tasks in a Django project."""
    return TASK_CLASS if is_used() else None


def fix_up(app: TQ) -> None:
    """Set Django up, once; a worker or a beat does so before it imports tasks. Raises what the project raises."""
    if app.hooks.has(_NAME):
        return
    if not is_used():
        if os.environ.get(VARIABLE):
            logger.warning("%s is set, and Django is not installed here: it is left alone", VARIABLE)
        return
    # Django's own manage.py finds the project's modules in the working directory, too.
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    importlib.import_module("django").setup()
    from tq.app.django_connections import Connections

    app.hooks.register(Connections(), _NAME)


def installed_packages() -> list[str]:
    """The packages of the project's apps, nothing without a project."""
    if not is_used():
        return []
    importlib.import_module("django").setup()
    apps = importlib.import_module("django.apps").apps
    return [config.name for config in apps.get_app_configs()]


def on_commit(send: Any, using: str | None) -> None:
    """Call `send` when the transaction around is committed, at once where there is none."""
    importlib.import_module("django.db.transaction").on_commit(send, using=using)
