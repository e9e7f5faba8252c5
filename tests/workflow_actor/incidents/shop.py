"""What is charged in tests of incidents, and the persons who see to them."""

from __future__ import annotations

import asyncio

from dalsegno import RetryPolicy, activity, workflow
from dalsegno.actors.workflow_actor.incidents.commands import SettleIncident
from dalsegno.actors.workflow_actor.incidents.incident import IncidentAction
from dalsegno.actors.workflow_actor.program.registry import WorkflowRegistry
from dalsegno.failure import Failure
from dalsegno.payload import Payload
from dalsegno.policies import ActivityCancellationType
from tests.default_converter import to_payload
from tests.workflow_actor.rig import CALLER, Rig

TWICE = RetryPolicy(maximum_attempts=2)
DECLINED = Failure(message="card declined", type="Declined")
BROKEN = Failure(message="no such card", type="NoCard", non_retryable=True)


@activity.defn
def charge(amount: int) -> int:
    raise NotImplementedError


@activity.defn
def bill(amount: int) -> int:
    raise NotImplementedError


@workflow.defn(name="order")
class Order:
    @workflow.run
    async def run(self, amount: int) -> int:
        return await workflow.execute_activity(charge, amount, retry_policy=TWICE, on_exhausted="pause")


@workflow.defn(name="order")
class Started:
    @workflow.run
    async def run(self, amount: int) -> int:
        charging = workflow.start_activity(charge, amount, retry_policy=TWICE, on_exhausted="pause")
        await asyncio.sleep(0)
        return await charging


@workflow.defn(name="order")
class Waits:
    """For its worker, when it is cancelled."""

    @workflow.run
    async def run(self, amount: int) -> int:
        return await workflow.execute_activity(
            charge,
            amount,
            retry_policy=TWICE,
            on_exhausted="pause",
            cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        )


def rig_of(cls: type, *, passivating: bool = False) -> Rig:
    return Rig(WorkflowRegistry([(cls, None)]), passivating=passivating)


def settle(
    number: int, action: IncidentAction, result: Payload | None = None, failure: Failure | None = None
) -> SettleIncident:
    return SettleIncident(number=number, action=action, result=result, failure=failure, caller=CALLER)


def complete(number: int, result: object) -> SettleIncident:
    return settle(number, "complete", to_payload(result))
