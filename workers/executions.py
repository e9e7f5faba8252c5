"""In what the code of an attempt runs: a task of the loop, a thread, or a process."""

from __future__ import annotations

from dalsegno.activity_code.context import AttemptContext, OnHeartbeat
from dalsegno.activity_code.execution import (
    CoroutineExecution,
    Execution,
    OnBegun,
    OnEnded,
    ThreadExecution,
)
from dalsegno.activity_code.processes.execution import ProcessExecution
from dalsegno.activity_code.registry import Definition
from dalsegno.broker.protocol.messages import ActivityTask
from dalsegno.workers.bench import Bench


def context_of(
    task: ActivityTask, definition: Definition, bench: Bench, on_heartbeat: OnHeartbeat
) -> AttemptContext:
    return AttemptContext(
        task,
        on_heartbeat,
        bench.converter,
        threaded=not definition.is_async,
        worker_shutdown=bench.shutdown,
        client=bench.client,
        interceptors=bench.interceptors,
    )


def execution_of(
    task: ActivityTask,
    definition: Definition,
    context: AttemptContext,
    bench: Bench,
    on_heartbeat: OnHeartbeat,
    on_begun: OnBegun,
    on_ended: OnEnded,
) -> Execution:
    if definition.is_in_process:
        assert bench.processes is not None
        return ProcessExecution(task, context, bench.processes, on_heartbeat, on_begun, on_ended)
    if definition.is_async:
        return CoroutineExecution(task, definition, context, bench.loop, bench.abandoned, on_begun, on_ended)
    return ThreadExecution(
        task, definition, context, bench.loop, bench.threads, bench.abandoned, on_begun, on_ended
    )
