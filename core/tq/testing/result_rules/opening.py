"""Opening and closing: cheap to make, options checked, close at any time."""

from __future__ import annotations

from typing import ClassVar

import msgspec
import pytest

from tq.contracts.results import BackendCap, ResultBackend
from tq.errors import ImproperlyConfigured
from tq.plugins.kinds import BACKEND
from tq.testing.needs import unless
from tq.testing.result_kit import ResultKit, success


class Opening:
    """Tests of a backend's life from `__init__` to `close`."""

    backend_class: ClassVar[type[ResultBackend]]

    def test_opening_keeps_the_url_that_was_given(self, backend: ResultBackend, backend_url: str) -> None:
        assert backend.url == backend_url

    def test_opening_needs_an_api_version_that_the_core_knows(self) -> None:
        assert self.backend_class.api_version in (BACKEND.api_versions or ())

    def test_opening_refuses_an_unknown_option_by_name(self, kit: ResultKit) -> None:
        kit.options = {**kit.options, "no_such_option": 1}
        with pytest.raises(ImproperlyConfigured, match="no_such_option"):
            kit.backend()

    def test_opening_refuses_an_unknown_option_in_the_url(self, kit: ResultKit) -> None:
        with pytest.raises(ImproperlyConfigured, match="no_such_option"):
            kit.backend(kit.url + ("&" if "?" in kit.url else "?") + "no_such_option=1")

    def test_opening_suggests_the_option_that_was_meant(self, kit: ResultKit) -> None:
        known = [f.encode_name for f in msgspec.structs.fields(self.backend_class.options_type)]
        if not known:
            pytest.skip(f"{self.backend_class.__name__} has no options")
        kit.options = {**kit.options, known[0] + "x": 1}
        with pytest.raises(ImproperlyConfigured, match=known[0]):
            kit.backend()

    def test_closing_twice_is_harmless(self, kit: ResultKit, backend: ResultBackend, task_id: str) -> None:
        backend.store([success(task_id)])
        backend.close()
        backend.close()
        kit.backend().close()

    @unless(BackendCap.REPLIES)
    def test_closing_a_backend_keeps_its_results(self, kit: ResultKit, task_id: str) -> None:
        first = kit.backend()
        first.store([success(task_id, 7)])
        reader = kit.backend()
        first.close()
        assert reader.get([task_id])[task_id].result == 7
