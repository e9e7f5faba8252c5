"""Activity workers: `Worker` runs activities for one task queue."""

from dalsegno.workers.settings import WorkerTiming
from dalsegno.workers.worker import Worker

__all__ = ["Worker", "WorkerTiming"]
