"""Logging of a worker process, as its settings say."""

from __future__ import annotations

import io
import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import TextIO

from tq import signals
from tq.cli.records import JsonFormatter, TaskRecords
from tq.config import Settings
from tq.errors import ImproperlyConfigured
from tq.log import TASK_LOGGER

_COLORS = {"DEBUG": "\033[34m", "WARNING": "\033[33m", "ERROR": "\033[31m", "CRITICAL": "\033[35m"}
_RESET = "\033[0m"


class Formatter(logging.Formatter):
    """One line a record; inside tasks by a second format that knows `task_name` and `task_id`."""

    def __init__(self, plain: logging.Formatter, inside: logging.Formatter, *, color: bool) -> None:
        super().__init__()
        self._plain = plain
        self._inside = inside
        self._color = color

    def format(self, record: logging.LogRecord) -> str:
        # What tq itself logs of a task names it already.
        is_inside = hasattr(record, "task_id") and not record.name.startswith("tq.")
        text = (self._inside if is_inside else self._plain).format(record)
        color = _COLORS.get(record.levelname) if self._color else None
        return f"{color}{text}{_RESET}" if color else text


class LoggedStream(io.TextIOBase):
    """A text stream whose lines go to a logger: what tasks print."""

    def __init__(self, level: int) -> None:
        self._level = level
        self._logger = logging.getLogger("tq.redirected")
        self._lines = threading.local()

    def writable(self) -> bool:
        """Yes."""
        return True

    def write(self, text: str) -> int:
        """Log each line once it is whole; what logging itself writes is dropped."""
        if getattr(self._lines, "inside", False):
            return len(text)
        *whole, rest = (getattr(self._lines, "begun", "") + text).split("\n")
        self._lines.begun = rest
        self._lines.inside = True
        try:
            for line in whole:
                if line.strip():
                    self._logger.log(self._level, "%s", line)
        finally:
            self._lines.inside = False
        return len(text)


@contextmanager
def redirected_output(conf: Settings) -> Iterator[None]:
    """While inside, what is printed goes to the log, as `worker_redirect_stdouts` says."""
    if not conf.worker_redirect_stdouts:
        yield
        return
    level = logging.getLevelName(conf.worker_redirect_stdouts_level.upper())
    with redirect_stdout(LoggedStream(level)), redirect_stderr(LoggedStream(level)):
        yield


def set_up_logging(conf: Settings, level: str, logfile: str | None, color: bool | None) -> None:
    """Send the root logger's records to stderr or a file. `level` is a name; `color` None: where it goes to
    a terminal. Handlers of the program's own see the running task in each record as well."""
    logging.setLogRecordFactory(TaskRecords(logging.getLogRecordFactory()))
    said = {"loglevel": level, "logfile": logfile, "format": conf.worker_log_format, "colorize": color}
    if signals.setup_logging.has_listeners():
        signals.setup_logging.send(None, **said)
        return
    root = logging.getLogger()
    if conf.worker_hijack_root_logger or not root.handlers:
        stream: TextIO = sys.__stderr__ or sys.stderr
        handler = _file_handler(logfile) if logfile else logging.StreamHandler(stream)
        handler.setFormatter(_formatter(conf, stream, color, to_file=bool(logfile)))
        root.handlers[:] = [handler]
    root.setLevel(level.upper())
    signals.after_setup_logger.send(None, logger=root, **said)
    signals.after_setup_task_logger.send(None, logger=logging.getLogger(TASK_LOGGER), **said)


def _formatter(conf: Settings, stream: TextIO, color: bool | None, *, to_file: bool) -> logging.Formatter:
    if conf.worker_log_json:
        return JsonFormatter()
    wanted = conf.worker_log_color if color is None else color
    return Formatter(
        logging.Formatter(conf.worker_log_format, conf.worker_log_datefmt),
        logging.Formatter(conf.worker_task_log_format, conf.worker_task_log_datefmt),
        color=wanted if wanted is not None else not to_file and stream.isatty(),
    )


def _file_handler(path: str) -> logging.FileHandler:
    try:
        return logging.FileHandler(path)
    except OSError as exc:
        raise ImproperlyConfigured(f"cannot write the log file {path}: {exc.strerror}") from exc
