"""Amazon SQS as broker of tq."""

from tq_sqs.broker import SqsBroker

__all__ = ["SqsBroker"]
