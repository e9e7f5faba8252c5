"""Incidents of a workflow: activities whose attempts are exhausted, and what a person says becomes of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from dalsegno import given
from dalsegno.broker.protocol.messages import (
    DescribeWorkflow,
    IncidentAction,
    OpenIncident,
    ResolveIncident,
)
from dalsegno.client.decoding import decoded
from dalsegno.client.engine import EnginePort
from dalsegno.failure import Failure
from dalsegno.payload import Payload

NUMBER_MAX = 2**53


@dataclass(frozen=True, slots=True)
class ListedIncident:
    """An incident, and the run that it is of."""

    workflow_id: str
    run_id: str
    workflow_type: str
    incident: OpenIncident
    refused: str | None = None
    """Of one that was to be tried again: why it is not."""


class IncidentsOfWorkflow:
    """The part of a workflow's handle that is about them. Each change raises CommandRejectedError where no
    incident is open under that number."""

    id: str
    run_id: str | None
    _engine: EnginePort
    _command_run_id: str | None

    async def incidents(self, *, timeout: float | None = None) -> tuple[OpenIncident, ...]:
        """The first 100 of those that are open, by number: which activity, how often it was tried, and how it
        failed."""
        question = DescribeWorkflow(workflow_id=self.id, run_id=self._command_run_id)
        reply = await self._engine.tell(question, timeout=timeout)
        told = reply.description
        of_workflow = self._engine.converter.of_workflow(self.id)
        return () if told is None else decoded(told, of_workflow).incidents

    async def retry_incident(
        self, number: int, /, *, message_id: str | None = None, timeout: float | None = None
    ) -> None:
        """Have the activity tried again, as if the workflow had just asked for it: from attempt 1 on, and with
        all of its time. If it is exhausted again, that is another incident."""
        await self._resolve(number, "retry", message_id, timeout)

    async def complete_incident(
        self,
        number: int,
        /,
        result: Any = None,
        *,
        message_id: str | None = None,
        timeout: float | None = None,
    ) -> None:
        """The activity completes with `result`, as if a worker had said so. Raises CommandRejectedError also
        for a result that is not what the workflow expects, and where its code, which can tell, does not run.
        """
        await self._resolve(
            number,
            "complete",
            message_id,
            timeout,
            result=self._engine.converter.of_workflow(self.id).to_payload(result),
        )

    async def fail_incident(
        self,
        number: int,
        error: Exception | None = None,
        /,
        *,
        message_id: str | None = None,
        timeout: float | None = None,
    ) -> None:
        """The activity fails for good, by `error` or as its last attempt did: the workflow sees
        ActivityError."""
        if error is not None and not isinstance(error, Exception):
            raise given.wrong_type("error", error, "an exception, such as ApplicationError, or None")
        failure = None if error is None else self._engine.converter.of_workflow(self.id).to_failure(error)
        await self._resolve(number, "fail", message_id, timeout, failure=failure)

    async def _resolve(
        self,
        number: int,
        action: IncidentAction,
        message_id: str | None,
        timeout: float | None,
        *,
        result: Payload | None = None,
        failure: Failure | None = None,
    ) -> None:
        if not isinstance(number, int) or isinstance(number, bool):
            raise given.wrong_type("number", number, "the number of an incident")
        if not 0 < number < NUMBER_MAX:
            raise ValueError(f"number must be that of an incident, from 1 on, not {number}.")
        command = ResolveIncident(
            workflow_id=self.id,
            run_id=self._command_run_id,
            number=number,
            action=action,
            result=result,
            failure=failure,
        )
        await self._engine.tell(
            command,
            message_id=str(uuid4()) if message_id is None else given.name("message_id", message_id),
            timeout=timeout,
        )
