"""What a pool does when it is renewed, and when its children are asked."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import ClassVar

import pytest

from tq.contracts.pool import Pool, StopMode
from tq.testing.pool_kit import Workshop


class Renewal:
    """Tests of `Pool.renew` and `Pool.ask`."""

    pool_class: ClassVar[type[Pool]]

    def test_a_renewal_lets_what_runs_finish_and_goes_on(self, workshop: Callable[..., Workshop]) -> None:
        if self.pool_class.renew is Pool.renew:
            pytest.skip(f"{self.pool_class.__name__} cannot be renewed")
        shop = workshop()
        running, later = shop.add(shop.gated), [shop.add(shop.quick) for _ in range(10)]
        pool = self.pool_class(shop)

        def script() -> None:
            shop.send(running)
            shop.until_all("started", [running])
            assert pool.renew()
            shop.until_all("told", [StopMode.WARM])
            assert shop.receipts("done") == [], "the body was not waited for, or was cut short"
            shop.open_gate()
            shop.until_all("done", [running])
            shop.send(*later)
            shop.until_all("done", later)
            shop.stop(StopMode.WARM)

        shop.run(pool, script)
        assert sorted(shop.receipts("done")) == [running, *later]

    def test_a_stop_ends_a_pool_that_was_renewed(self, workshop: Callable[..., Workshop]) -> None:
        shop = workshop()
        pool = self.pool_class(shop)

        def script() -> None:
            for _ in range(3):
                pool.renew()
            shop.stop(StopMode.WARM)

        shop.run(pool, script)

    def test_each_child_answers_for_itself(self, workshop: Callable[..., Workshop]) -> None:
        shop = workshop()
        job, pool = shop.add(shop.quick), self.pool_class(shop)

        def script() -> None:
            shop.send(job)
            shop.until_all("done", [job])
            answers = pool.ask(b"who?", shop.patience)
            assert answers == {pid: b"%d: who?" % pid for pid in pool.pids()}
            assert os.getpid() not in answers
            shop.stop(StopMode.WARM)

        shop.run(pool, script)
