"""`pickle` keeps the rules of every serializer that is not safe."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from hypothesis import strategies as st

from tq.testing import SerializerConformance
from tq_pickle import PickleSerializer


class TestPickle(SerializerConformance):
    serializer_class = PickleSerializer
    values = (
        st.binary()
        | st.tuples(st.integers(), st.text())
        | st.sets(st.integers())
        | st.decimals(allow_nan=False)
        | st.datetimes()
        | st.just(datetime(2026, 1, 1, tzinfo=UTC))
        | st.just(Decimal("1.0"))
    )
    garbage = (b"\xff", b"]", b"cno.such.module\nname\n.", b"{}", b"Vtext\n")
