"""`python -m tq` is `tq`."""

from __future__ import annotations

from tq.cli import main

main()
