"""Print the Grafana dashboard: `python -m tq_prometheus > dashboard.json`."""

from __future__ import annotations

import sys

from tq_prometheus.dashboard import dashboard

sys.stdout.write(dashboard())
