"""`yaml` keeps the rules of every serializer."""

from __future__ import annotations

from hypothesis import strategies as st

from tq.testing import SerializerConformance
from tq_yaml import YamlSerializer


class TestYaml(SerializerConformance):
    serializer_class = YamlSerializer
    values = (
        st.binary(max_size=100)
        | st.dates()
        | st.sets(st.integers(), max_size=5)
        | st.datetimes()
        | st.dictionaries(st.integers(), st.none(), max_size=5)
    )
    garbage = (
        b"[1",
        b"{",
        b"\x00",
        b"a: b: c",
        b"!!python/name:os.system",
        b"!!python/object/apply:os.getcwd []",
        b"!!timestamp nope",
        b"!!float nope",
        b"!!bool nope",
        b"2001-99-99",
        b"? [1]\n: 2",
        b"*nobody",
        b"&me [*me]",
        b"--- 1\n--- 2",
    )
