"""Messages as clients and workers send them to a host."""

from __future__ import annotations

from msgspec.structs import replace

from dalsegno.broker.port import Message, Outgoing
from dalsegno.broker.protocol import messages as wire
from dalsegno.broker.protocol.codec import decode, encode
from dalsegno.payload import Payload

REPLIES = "dalsegno.reply.client"
WORKER = "dalsegno.worker.w1"


def command(body: wire.WireMessage, message_id: str) -> Message:
    """As a client sends it that wants an answer."""
    return encode(body, message_id=message_id, reply_to=REPLIES, correlation_id=f"call {message_id}")


def start(message_id: str = "start-1", workflow_id: str = "w", **changes: object) -> Message:
    body = wire.StartWorkflow(workflow_id=workflow_id, workflow_type="order", replies=("accepted",))
    return command(replace(body, **changes), message_id)


def signal(message_id: str, workflow_id: str = "w") -> Message:
    return command(wire.SignalWorkflow(workflow_id=workflow_id, name="go"), message_id)


def query(message_id: str, workflow_id: str = "w", run_id: str | None = None) -> Message:
    return command(wire.QueryWorkflow(workflow_id=workflow_id, name="q", run_id=run_id), message_id)


def await_result(message_id: str, workflow_id: str = "w", run_id: str | None = None) -> Message:
    return command(wire.AwaitResult(workflow_id=workflow_id, run_id=run_id), message_id)


def terminate(message_id: str, workflow_id: str = "w") -> Message:
    return command(wire.TerminateWorkflow(workflow_id=workflow_id), message_id)


def task_in(outgoing: Outgoing) -> wire.ActivityTask:
    task = decode(outgoing.message)
    assert isinstance(task, wire.ActivityTask)
    return task


def started(task: wire.ActivityTask) -> Message:
    body = wire.ActivityStarted(
        workflow_id=task.workflow_id,
        run_id=task.run_id,
        activity_id=task.activity_id,
        attempt=task.attempt,
        token=task.token,
        worker=WORKER,
    )
    return encode(body, message_id=f"started {task.activity_id} {task.attempt}")


def completed(task: wire.ActivityTask) -> Message:
    body = wire.ActivityCompleted(
        workflow_id=task.workflow_id,
        run_id=task.run_id,
        activity_id=task.activity_id,
        attempt=task.attempt,
        token=task.token,
        result=Payload("json/plain", b"1"),
    )
    return encode(body, message_id=f"completed {task.activity_id} {task.attempt}")
