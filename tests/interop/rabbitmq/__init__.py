"""Celery and tq on one RabbitMQ, with results over `rpc://`."""
