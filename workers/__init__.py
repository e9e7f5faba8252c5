"""Activity workers: `Worker` runs activities for one task queue."""

from dalsegno.interceptors.activities import ActivityInboundInterceptor, ActivityOutboundInterceptor
from dalsegno.interceptors.worker import WorkerInterceptor as Interceptor
from dalsegno.interceptors.worker import WorkflowInterceptorClassInput
from dalsegno.interceptors.workflows import WorkflowInboundInterceptor, WorkflowOutboundInterceptor
from dalsegno.workers.settings import WorkerTiming
from dalsegno.workers.worker import Worker

__all__ = [
    "ActivityInboundInterceptor",
    "ActivityOutboundInterceptor",
    "Interceptor",
    "Worker",
    "WorkerTiming",
    "WorkflowInboundInterceptor",
    "WorkflowInterceptorClassInput",
    "WorkflowOutboundInterceptor",
]
