"""The serializer `msgpack`."""

from tq_msgpack.serializer import MsgpackSerializer

__all__ = ["MsgpackSerializer"]
