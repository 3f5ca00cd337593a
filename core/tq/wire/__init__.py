"""Bytes and records: Celery's and kombu's formats, without any I/O."""
