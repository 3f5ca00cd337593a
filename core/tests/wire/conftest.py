"""Hypothesis without deadlines: they would test how busy the machine is."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile(
    "no-deadline", settings.get_profile(settings.get_current_profile_name()), deadline=None
)
settings.load_profile("no-deadline")
