"""Interoperation: a real Celery as the other party, over a real Redis."""
