"""Brokers that come with the core. Everything else is a plugin."""
