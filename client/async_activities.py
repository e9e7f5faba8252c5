"""Activities that go on outside of their workers: whoever does the work says by a handle how it ends."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

from dalsegno import given
from dalsegno.broker.protocol.messages import HeartbeatActivity, ResolveActivity
from dalsegno.broker.protocol.task_token import unpack
from dalsegno.client.engine import EnginePort
from dalsegno.errors import AsyncActivityCancelledError
from dalsegno.interceptors.completions import (
    AsyncActivityIDReference,
    CompleteAsyncActivityInput,
    FailAsyncActivityInput,
    HeartbeatAsyncActivityInput,
    ReportCancellationAsyncActivityInput,
)


class AsyncActivityHandle:
    """One attempt, where it was got by a task token; otherwise whatever is pending under the activity's ID.

    All methods raise ActivityNotFoundError when that is over, or never was, WorkflowClosedError when its run
    has ended, and otherwise what the methods of a workflow's handle do. Each but `heartbeat` is carried out
    once: give it the same `message_id` to repeat it.
    """

    def __init__(
        self,
        engine: EnginePort,
        *,
        workflow_id: str,
        run_id: str | None,
        activity_id: str,
        token: bytes | None,
        reference: AsyncActivityIDReference | bytes,
    ) -> None:
        """`reference` is what it was named by."""
        self.workflow_id = workflow_id
        self.run_id = run_id
        self.activity_id = activity_id
        self._engine = engine
        self._converter = engine.converter.of_workflow(workflow_id)
        self._token = token
        self._reference = reference

    async def complete(
        self, result: Any = None, *, message_id: str | None = None, timeout: float | None = None
    ) -> None:
        """The activity has this result."""

        async def send(said: CompleteAsyncActivityInput) -> None:
            handle = self._named(said.id_or_token)
            payload = handle._converter.to_payload(said.result)
            await handle._resolve(message_id, timeout, result=payload)

        said = CompleteAsyncActivityInput(self._reference, result, send)
        await self._engine.outbound.complete_async_activity(said)

    async def fail(
        self, error: Exception, *, message_id: str | None = None, timeout: float | None = None
    ) -> None:
        """The attempt has failed; as when the activity had raised that error, it is tried again by its
        policy."""

        async def send(said: FailAsyncActivityInput) -> None:
            if not isinstance(said.error, Exception):
                raise given.wrong_type("error", said.error, "an exception")
            handle = self._named(said.id_or_token)
            await handle._resolve(message_id, timeout, failure=handle._converter.to_failure(said.error))

        said = FailAsyncActivityInput(self._reference, error, send)
        await self._engine.outbound.fail_async_activity(said)

    async def report_cancellation(
        self, *details: Any, message_id: str | None = None, timeout: float | None = None
    ) -> None:
        """The work has stopped because it was asked to. Refused with a CommandRejectedError if nobody had
        asked."""

        async def send(said: ReportCancellationAsyncActivityInput) -> None:
            handle = self._named(said.id_or_token)
            told = tuple(handle._converter.to_whole_payload(detail) for detail in said.details)
            await handle._resolve(message_id, timeout, canceled=True, details=told)

        said = ReportCancellationAsyncActivityInput(self._reference, details, send)
        await self._engine.outbound.report_cancellation_async_activity(said)

    async def heartbeat(self, *details: Any, timeout: float | None = None) -> None:
        """The work goes on; the next attempt finds the newest `details` in `info().heartbeat_details`.

        Raises AsyncActivityCancelledError when the activity was asked to stop.
        """

        async def send(said: HeartbeatAsyncActivityInput) -> None:
            await self._named(said.id_or_token)._beat(tuple(said.details), timeout)

        said = HeartbeatAsyncActivityInput(self._reference, details, send)
        await self._engine.outbound.heartbeat_async_activity(said)

    async def _beat(self, details: tuple[Any, ...], timeout: float | None) -> None:
        reply = await self._engine.tell(
            HeartbeatActivity(
                workflow_id=self.workflow_id,
                run_id=self.run_id,
                activity_id=self.activity_id,
                token=self._token,
                details=self._converter.to_whole_payload(details) if details else None,
            ),
            timeout=timeout,
        )
        if reply.result is not None and json.loads(reply.result.data)["cancel_requested"]:
            raise AsyncActivityCancelledError

    async def _resolve(self, message_id: str | None, timeout: float | None, **outcome: Any) -> None:
        await self._engine.tell(
            ResolveActivity(
                workflow_id=self.workflow_id,
                run_id=self.run_id,
                activity_id=self.activity_id,
                token=self._token,
                **outcome,
            ),
            message_id=str(uuid4()) if message_id is None else given.name("message_id", message_id),
            timeout=timeout,
        )

    def _named(self, reference: AsyncActivityIDReference | bytes) -> AsyncActivityHandle:
        """This one, unless an interceptor means another."""
        if reference == self._reference:
            return self
        if isinstance(reference, bytes):
            return named_by(self._engine, None, None, None, reference)
        return named_by(self._engine, reference.workflow_id, reference.run_id, reference.activity_id, None)

    def __repr__(self) -> str:
        return f"<AsyncActivityHandle workflow_id={self.workflow_id!r} activity_id={self.activity_id!r}>"


def named_by(
    engine: EnginePort,
    workflow_id: str | None,
    run_id: str | None,
    activity_id: str | None,
    task_token: bytes | None,
) -> AsyncActivityHandle:
    """Raises TypeError for neither a token nor an ID, or both, ValueError for bytes that are no token."""
    if task_token is not None:
        if (workflow_id, run_id, activity_id) != (None, None, None):
            raise TypeError("An activity is named by its task_token or by its IDs, not by both.")
        if not isinstance(task_token, bytes):
            raise given.wrong_type("task_token", task_token, "the bytes of activity.info().task_token")
        known = unpack(task_token)
        return AsyncActivityHandle(
            engine,
            workflow_id=known.workflow_id,
            run_id=known.run_id,
            activity_id=known.activity_id,
            token=known.token,
            reference=task_token,
        )
    if activity_id is None:
        raise TypeError("An activity is named by its task_token, or by its activity_id and its workflow_id.")
    name = given.name("activity_id", activity_id)
    return AsyncActivityHandle(
        engine,
        workflow_id=name if workflow_id is None else given.name("workflow_id", workflow_id),
        run_id=None if run_id is None else given.name("run_id", run_id),
        activity_id=name,
        token=None,
        reference=AsyncActivityIDReference(workflow_id, run_id, name),
    )
