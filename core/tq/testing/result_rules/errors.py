"""Errors: a store that is gone is said in time, and no password is ever shown."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from typing import ClassVar

import pytest

from tq.contracts.results import ResultBackend
from tq.errors import BackendUnavailable
from tq.testing.result_kit import ResultKit, success

PASSWORD = "s3cret"


class Errors:
    """Tests with the fixture `dead_url`."""

    backend_class: ClassVar[type[ResultBackend]]

    @pytest.fixture
    def dead_backend(self, kit: ResultKit, dead_url: str) -> ResultBackend:
        assert PASSWORD in dead_url, f"the fixture `dead_url` must hold the password {PASSWORD!r}"
        return kit.backend(dead_url)

    def test_store_into_a_dead_server_raises(self, dead_backend: ResultBackend) -> None:
        says_so(dead_backend, lambda: dead_backend.store([success("id", 1)]))

    def test_get_from_a_dead_server_raises(self, dead_backend: ResultBackend) -> None:
        says_so(dead_backend, lambda: dead_backend.get(["id"]))

    def test_wait_on_a_dead_server_raises(self, dead_backend: ResultBackend) -> None:
        says_so(dead_backend, lambda: dead_backend.wait(["id"], 1.0))

    def test_forget_on_a_dead_server_raises(self, dead_backend: ResultBackend) -> None:
        says_so(dead_backend, lambda: dead_backend.forget(["id"]))

    def test_no_log_line_shows_a_password(
        self, dead_backend: ResultBackend, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(0)
        with pytest.raises(BackendUnavailable):
            dead_backend.get(["id"])
        assert PASSWORD not in caplog.text

    def test_closing_after_the_server_is_gone_is_harmless(self, dead_backend: ResultBackend) -> None:
        with pytest.raises(BackendUnavailable):
            dead_backend.get(["id"])
        dead_backend.close()
        dead_backend.close()


def says_so(backend: ResultBackend, call: Callable[[], object]) -> None:
    """`BackendUnavailable`, in bounded time, with the server named and the password masked."""
    started = time.monotonic()
    with pytest.raises(BackendUnavailable) as caught:
        call()
    assert time.monotonic() - started < 15
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + repr(backend)
    assert PASSWORD not in shown + caught.value.url
    assert "**" in str(caught.value) + caught.value.url
