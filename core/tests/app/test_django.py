"""A Django project: its apps' tasks are found, its connections are looked after. Each test in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("django", reason="Django is not installed")

FILES = {
    "site_of/__init__.py": "",
    "site_of/settings.py": """
SECRET_KEY = "x"
USE_TZ = True
INSTALLED_APPS = ["blog.apps.BlogConfig"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "db.sqlite3", "CONN_MAX_AGE": 0}}
CELERY_BROKER_URL = "memory://django"
CELERY_RESULT_BACKEND = "memory://django"
CELERY_WORKER_POOL = "solo"
""",
    "site_of/tq.py": """
from tq import TQ

app = TQ("site")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
""",
    "blog/__init__.py": "",
    "blog/apps.py": """
from django.apps import AppConfig

class BlogConfig(AppConfig):
    name = "blog"
""",
    "blog/tasks.py": """
from django.db import connection
from tq import shared_task

@shared_task
def one():
    with connection.cursor() as cursor:
        return cursor.execute("SELECT 1").fetchone()[0]
""",
}
HEAD = """
from core.tests.canvas.stage import Stage
from site_of.tq import app

app.import_modules()
from django.db import connection, transaction
from tq import shared_task
from tq.contrib.django import DjangoTask
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return tmp_path


def run(project: Path, script: str, settings: str = "site_of.settings") -> subprocess.CompletedProcess[str]:
    root = Path(__file__).parents[3]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("TQ_")}
    paths = [str(root), *filter(None, [environ.get("PYTHONPATH")])]
    environ |= {"DJANGO_SETTINGS_MODULE": settings, "PYTHONPATH": os.pathsep.join(paths)}
    return subprocess.run(
        [sys.executable, "-c", script],
        cwd=project,
        env=environ,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def check(project: Path, script: str) -> None:
    done = run(project, HEAD + script)
    assert done.returncode == 0, done.stderr


def test_tasks_of_the_projects_apps_are_found(project: Path) -> None:
    check(project, 'assert "blog.tasks.one" in app.tasks, list(app.tasks)')


def test_connections_are_closed_around_tasks_as_their_age_says(project: Path) -> None:
    check(
        project,
        """
from blog.tasks import one
open_ = []
with connection.cursor():
    pass
assert connection.connection is not None
stage = Stage(app)
sent = one.delay()
stage.drain()
assert sent.get(timeout=5) == 1
# CONN_MAX_AGE is 0: nothing stays open after the task.
assert connection.connection is None
""",
    )


def test_an_eager_task_leaves_the_connection_to_the_request_around_it(project: Path) -> None:
    check(
        project,
        """
from blog.tasks import one
with connection.cursor():
    pass
assert one.apply().get() == 1
assert connection.connection is not None
""",
    )


def test_tasks_are_sent_when_the_transaction_is_committed(project: Path) -> None:
    check(
        project,
        """
seen = []

@app.task(name="hear")
def hear(word):
    seen.append(word)

assert isinstance(hear, DjangoTask)
with transaction.atomic():
    hear.delay_on_commit("committed")
    hear.apply_async_on_commit(("also",), using="default")
    Stage(app).drain()
    assert seen == []
try:
    with transaction.atomic():
        hear.delay_on_commit("rolled back")
        raise ValueError
except ValueError:
    pass
hear.delay_on_commit("outside")
Stage(app).drain()
assert sorted(seen) == ["also", "committed", "outside"], seen
""",
    )


def test_settings_that_cannot_be_imported_are_an_error_when_modules_are(project: Path) -> None:
    done = run(
        project, "from tq import TQ\nTQ('x', broker='memory://x').import_modules()", settings="no.such"
    )
    assert done.returncode == 1
    assert "No module named 'no'" in done.stderr


def test_without_a_project_nothing_of_django_is_imported(project: Path) -> None:
    script = (
        "import os, sys; del os.environ['DJANGO_SETTINGS_MODULE']\n"
        "from tq import TQ\napp = TQ('x', broker='memory://x'); app.autodiscover_tasks(force=True)\n"
        "app.import_modules(); assert 'django' not in sys.modules\n"
        "assert not app.hooks.has('django')"
    )
    done = run(project, script)
    assert done.returncode == 0, done.stderr


def test_a_worker_runs_the_tasks_of_a_project(project: Path) -> None:
    (project / "blog/tasks.py").write_text(
        FILES["blog/tasks.py"] + "\nassert __import__('django').apps.apps.ready\n"
    )
    script = """
import sys, threading
from site_of.tq import app
app.import_modules()
from tq.app.work import make_worker
from blog.tasks import one
sent = one.delay()
worker = make_worker(app)
def end():
    sent.get(timeout=60)
    worker.stop()
threading.Thread(target=end).start()
worker.run()
assert sent.get(timeout=5) == 1
"""
    done = run(project, script)
    assert done.returncode == 0, done.stderr
