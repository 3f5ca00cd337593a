"""The part of AMQP 0-9-1 that a task queue needs, over one blocking socket, in batches."""
