"""Work that goes on outside of its worker."""

from __future__ import annotations

from pathlib import Path

from dalsegno import ActivityError, RetryPolicy, activity, workflow
from dalsegno.errors import CanceledError
from dalsegno.policies import ActivityCancellationType


@activity.defn
async def ask_a_person(folder: str) -> str:
    """Whoever answers finds the token of the attempt in a file of its number."""
    info = activity.info()
    (Path(folder) / str(info.attempt)).write_bytes(info.task_token)
    activity.raise_complete_async()


@activity.defn
def ask_a_person_in_a_thread(folder: str) -> str:
    info = activity.info()
    (Path(folder) / str(info.attempt)).write_bytes(info.task_token)
    activity.raise_complete_async()


@workflow.defn
class Asks:
    """What a person answers, or what has become of the question."""

    def __init__(self) -> None:
        self.is_withdrawn = False

    @workflow.run
    async def run(self, activity_type: str, folder: str, attempts: int) -> str:
        asked = workflow.start_activity(
            activity_type,
            folder,
            activity_id="question",
            retry_policy=RetryPolicy(maximum_attempts=attempts, initial_interval=0.05),
            cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        )
        await workflow.wait_condition(lambda: asked.done() or self.is_withdrawn)
        if self.is_withdrawn:
            asked.cancel()
        try:
            return str(await asked)
        except ActivityError as error:
            return "withdrawn" if isinstance(error.cause, CanceledError) else f"failed: {error.cause}"

    @workflow.signal
    def withdraw(self) -> None:
        self.is_withdrawn = True
