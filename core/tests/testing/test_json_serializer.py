import datetime as dt

from hypothesis import strategies as st

from tq.testing import SerializerConformance
from tq.wire.json import JsonSerializer


class TestJsonSerializer(SerializerConformance):
    serializer_class = JsonSerializer
    values = st.binary() | st.decimals(allow_nan=False) | st.uuids() | st.datetimes(dt.datetime(1900, 1, 1))
    garbage = (b"{", b"nul", b"\xff", b'{"a": 1,}', b'["a" "b"]')
