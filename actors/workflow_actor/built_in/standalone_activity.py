"""A standalone activity is a workflow of one step: it is as durable as any other activity, and found,
cancelled, terminated and listed as any other workflow."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from msgspec.structs import replace

from dalsegno import workflow
from dalsegno._activity_call import UNSET, activity_call
from dalsegno._runtime import current_runtime
from dalsegno.payload import RawValue
from dalsegno.policies import ActivityCancellationType, RetryPolicy
from dalsegno.standalone_activity import STANDALONE_ACTIVITY, RetryOfStandalone, StandaloneActivity

ACTIVITY_ID_BYTES_MAX = 200


# Nothing in here is mended by another deployment: what cannot be done fails the run, and whoever waits is told.
@workflow.defn(name=STANDALONE_ACTIVITY, failure_exception_types=[Exception])
class StandaloneActivityWorkflow:
    """The activity's ID is the workflow's, as far as that is short enough for one. A request to cancel the
    workflow is the activity's to answer: it may clean up, or end as if there had been none."""

    @workflow.run
    async def run(self, asked: StandaloneActivity, *args: RawValue) -> RawValue:
        workflow_id = workflow.info().workflow_id
        runtime = current_runtime("execute_activity")
        call = activity_call(
            runtime.converter,
            "",
            asked.activity_type,
            UNSET,
            args=args,
            activity_id=workflow_id if len(workflow_id.encode()) <= ACTIVITY_ID_BYTES_MAX else None,
            task_queue=asked.task_queue,
            start_to_close_timeout=_duration(asked.start_to_close),
            schedule_to_close_timeout=_duration(asked.schedule_to_close),
            schedule_to_start_timeout=_duration(asked.schedule_to_start),
            heartbeat_timeout=_duration(asked.heartbeat_timeout),
            retry_policy=None if asked.retry is None else _policy(asked.retry),
            cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
            result_type=RawValue,
        )
        result: Any = await runtime.execute_activity(replace(call, headers=dict(runtime.headers)))
        assert isinstance(result, RawValue)
        return result


def _duration(microseconds: int | None) -> timedelta | None:
    return None if microseconds is None else timedelta(microseconds=microseconds)


def _policy(retry: RetryOfStandalone) -> RetryPolicy:
    return RetryPolicy(
        initial_interval=timedelta(microseconds=retry.initial_interval),
        backoff_coefficient=retry.backoff_coefficient,
        maximum_interval=_duration(retry.maximum_interval),
        maximum_attempts=retry.maximum_attempts,
        non_retryable_error_types=tuple(retry.non_retryable_error_types),
    )
