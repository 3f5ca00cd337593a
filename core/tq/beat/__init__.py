"""Periodic tasks: schedules, what is due when, and the loop that sends it."""
