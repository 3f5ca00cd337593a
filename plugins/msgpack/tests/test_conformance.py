"""`msgpack` keeps the rules of every serializer."""

from __future__ import annotations

from hypothesis import strategies as st

from tq.testing import SerializerConformance
from tq_msgpack import MsgpackSerializer


class TestMsgpack(SerializerConformance):
    serializer_class = MsgpackSerializer
    values = st.binary() | st.dictionaries(st.integers(-(2**63), 2**64 - 1), st.floats(allow_nan=False))
    garbage = (b"\xc1", b"\x92\x01", b"\x01\x02", b"\xa1\xff", b"\x81\x90\x01", b"\xd9", b"{}")
