"""Interceptors of errands whose clients tell who has begun them: of each attempt that is told so a line is
written to a file beside the ledger."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from dalsegno import Payload, activity, workflow
from dalsegno.interceptors import (
    ActivityInboundInterceptor,
    ClientInterceptor,
    ExecuteActivityInput,
    OutboundInterceptor,
    StartActivityInput,
    StartWorkflowInput,
    WorkerInterceptor,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
    WorkflowOutboundInterceptor,
)
from dalsegno.workflow import ActivityHandle

STORY = "story"
"""A header: the workflow ID, as its client has given it."""


class Telling(ClientInterceptor, WorkerInterceptor):
    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:
        return TellingClient(next)

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return TellingActivity(next)

    def workflow_interceptor_class(
        self, input: WorkflowInterceptorClassInput
    ) -> type[WorkflowInboundInterceptor]:
        return TellingRun


class TellingClient(OutboundInterceptor):
    async def start_workflow(self, input: StartWorkflowInput) -> Any:
        said = Payload("json/plain", json.dumps(input.id).encode())
        input.headers = {**input.headers, STORY: said}
        return await self.next.start_workflow(input)


class TellingRun(WorkflowInboundInterceptor):
    def init(self, outbound: WorkflowOutboundInterceptor) -> None:
        self.next.init(TellingCalls(outbound))


class TellingCalls(WorkflowOutboundInterceptor):
    def start_activity(self, input: StartActivityInput) -> ActivityHandle[Any]:
        input.headers = {**input.headers, **workflow.info().headers}
        return self.next.start_activity(input)


class TellingActivity(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        if STORY in input.headers:
            said = json.loads(input.headers[STORY].data)
            with headers_heard().open("a") as heard:
                heard.write(f"{activity.info().workflow_id} {said}\n")
        return await self.next.execute_activity(input)


def headers_heard() -> Path:
    return Path(os.environ["ERRANDS_LEDGER"]).with_suffix(".headers")
