"""Activity workers: `Worker` runs activities for one task queue."""

from dalsegno.workers.settings import Timing
from dalsegno.workers.worker import Worker

__all__ = ["Timing", "Worker"]
