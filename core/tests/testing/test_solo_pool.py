from tq.testing import PoolConformance
from tq.worker.solo import SoloPool


class TestSoloPool(PoolConformance):
    pool_class = SoloPool
