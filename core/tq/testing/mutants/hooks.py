"""Hook plugins that are wrong on purpose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tq.contracts.hooks import ExtraSetting, hookimpl


class NothingMarked:
    """Its function is no hook, for want of `@hookimpl`."""

    caught_by = "test_it_implements_a_hook"

    def task_success(self) -> None: ...


class Raises:
    """Believes that every task returns a number."""

    caught_by = "test_no_observer_raises"

    @hookimpl
    def task_success(self, result: Any) -> None:
        self.total = 0 + result


class AddsWhatIsNoSetting:
    """Adds a mapping in place of a setting."""

    caught_by = "test_what_it_adds_is_of_the_right_kind[tq_settings]"

    @hookimpl
    def tq_settings(self) -> Sequence[Any]:
        return [{"name": "wrong_seconds"}]


class CannotSayWhatItAdds:
    """Raises where it is asked for its commands."""

    caught_by = "test_what_it_adds_is_of_the_right_kind[tq_commands]"

    @hookimpl
    def tq_commands(self) -> Sequence[Any]:
        raise OSError("no commands here")


class DefaultDoesNotFit:
    """Its setting is a number, but text where nobody sets it."""

    caught_by = "test_settings_have_a_text_and_a_default_that_fits"

    @hookimpl
    def tq_settings(self) -> Sequence[ExtraSetting]:
        return [ExtraSetting(name="wrong_seconds", type=float, default="soon", doc="How long.")]


class SettingWithoutText:
    """Nobody learns what its setting is for."""

    caught_by = "test_settings_have_a_text_and_a_default_that_fits"

    @hookimpl
    def tq_settings(self) -> Sequence[ExtraSetting]:
        return [ExtraSetting(name="wrong_seconds", type=float, default=1.0, doc=" ")]


class WantsMaybe:
    """Says nothing where it is asked whether it is wanted."""

    caught_by = "test_whether_it_is_wanted_is_answered"

    def wanted(self, settings: Mapping[str, Any]) -> None: ...

    @hookimpl
    def task_prerun(self) -> None: ...


HOOKS = (
    NothingMarked,
    Raises,
    AddsWhatIsNoSetting,
    CannotSayWhatItAdds,
    DefaultDoesNotFit,
    SettingWithoutText,
    WantsMaybe,
)
