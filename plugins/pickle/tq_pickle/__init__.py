"""The serializer `pickle`."""

from tq_pickle.serializer import PickleSerializer

__all__ = ["PickleSerializer"]
