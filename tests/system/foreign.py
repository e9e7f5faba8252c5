"""A workflow whose activities somebody serves who has nothing of ours; and with which such a client speaks."""

from __future__ import annotations

from typing import Any

from dalsegno import RetryPolicy, workflow
from dalsegno.workflow import ActivityCancellationType


@workflow.defn
class Foreign:
    """Early work, where there are `heartbeat_seconds`."""

    @workflow.run
    async def run(self, task_queue: str, name: str, args: list[Any], heartbeat_seconds: float | None) -> Any:
        return await workflow.execute_activity(
            name,
            args=args,
            task_queue=task_queue,
            start_to_close_timeout=60,
            heartbeat_timeout=heartbeat_seconds,
            retry_policy=RetryPolicy(initial_interval=0.1, maximum_attempts=3),
            cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        )


@workflow.defn
class Talk:
    """Ends when it is told to, with all that it was told."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self.over = False

    @workflow.run
    async def run(self) -> list[str]:
        await workflow.wait_condition(lambda: self.over)
        return self.words

    @workflow.signal
    def end(self) -> None:
        self.over = True

    @workflow.update
    def add(self, word: str) -> int:
        self.words.append(word)
        return len(self.words)

    @workflow.query
    def heard(self) -> list[str]:
        return self.words
