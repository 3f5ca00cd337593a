"""How a pool ends one body before it is done, and what it does when a body ends its process."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from typing import ClassVar

from tq.contracts.pool import Pool, PoolCap, StopMode
from tq.testing.needs import needs
from tq.testing.pool_kit import Report, Workshop


class Endings:
    """Tests of time limits, `Pool.terminate` and deaths."""

    pool_class: ClassVar[type[Pool]]

    @needs(PoolCap.SOFT_LIMIT)
    def test_a_soft_limit_is_raised_inside_the_body(self, workshop: Callable[..., Workshop]) -> None:
        shop = workshop()
        slow, next_one = shop.add(shop.gated, soft=0.2), shop.add(shop.quick, soft=10.0)

        def script() -> None:
            shop.send(slow)
            shop.until_all("soft", [slow])
            shop.send(next_one)
            shop.until_all("done", [next_one])
            shop.stop(StopMode.WARM)

        shop.run(self.pool_class(shop), script)
        assert shop.receipts("soft") == [slow]

    @needs(PoolCap.SOFT_LIMIT)
    def test_a_soft_limit_never_hits_the_next_body(self, workshop: Callable[..., Workshop]) -> None:
        shop = workshop()
        short, long = shop.add(lambda: time.sleep(0.05), soft=1.0), shop.add(lambda: time.sleep(1.2))

        def script() -> None:
            shop.send(short, long)
            shop.until_all("done", [short, long])
            shop.stop(StopMode.WARM)

        shop.run(self.pool_class(shop), script)
        assert shop.receipts("done") == [short, long]

    @needs(PoolCap.HARD_LIMIT)
    def test_a_hard_limit_ends_the_body_and_not_the_pool(self, workshop: Callable[..., Workshop]) -> None:
        shop = workshop()
        stuck, next_one = shop.add(shop.gated, hard=0.2), shop.add(shop.quick)
        first = self._reported(shop, stuck, next_one, "the pool reports that time is up")
        assert (first.what, first.receipt) == ("time-is-up", stuck)
        assert shop.receipts("done") == [next_one]

    @needs(PoolCap.TERMINATE)
    def test_terminate_ends_the_body_that_was_meant(self, workshop: Callable[..., Workshop]) -> None:
        shop = workshop()
        on_loop = PoolCap.COROUTINES in self.pool_class.capabilities
        stuck = shop.add(shop.gated_coroutine if on_loop else shop.gated, is_coroutine=on_loop)
        next_one = shop.add(shop.quick)
        pool = self.pool_class(shop)

        def script() -> None:
            shop.send(stuck)
            shop.until(lambda: [s.receipt for s in pool.seats()] == [stuck], "the body runs")
            (seat,) = pool.seats()
            assert pool.terminate(seat, next_one, signal.SIGTERM) is False, "another body was meant"
            assert pool.terminate(seat, stuck, signal.SIGTERM) is True
            shop.until(ended, "the pool reports the end of the body, or its engine does")
            shop.send(next_one)
            shop.until_all("done", [next_one])
            shop.stop(StopMode.WARM)

        def ended() -> list[int]:
            by_pool = [report.receipt for report in shop.reports if report.what == "terminated"]
            return by_pool + shop.receipts("revoked")

        shop.run(pool, script)
        assert ended() == [stuck]
        assert shop.receipts("done") == [next_one]

    @needs(PoolCap.ISOLATED)
    def test_a_body_that_kills_its_process_is_reported_and_replaced(
        self, workshop: Callable[..., Workshop]
    ) -> None:
        shop = workshop()
        killer, next_one = shop.add(shop.killer), shop.add(shop.quick)
        first = self._reported(shop, killer, next_one, "the pool reports the death of a child")
        assert (first.what, first.receipt, first.charge) == ("died", killer, True)
        assert first.cause, "a report of a death says what happened"

    def _reported(self, shop: Workshop, job: int, next_one: int, what: str) -> Report:
        """The first report of a pool that ends one body, runs another, and is stopped."""

        def script() -> None:
            shop.send(job)
            shop.until(lambda: shop.reports, what)
            shop.send(next_one)
            shop.until_all("done", [next_one])
            shop.stop(StopMode.WARM)

        shop.run(self.pool_class(shop), script)
        return shop.reports[0]
