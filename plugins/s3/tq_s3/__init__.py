"""Amazon S3 as result backend of tq."""

from tq_s3.backend import S3Backend

__all__ = ["S3Backend"]
