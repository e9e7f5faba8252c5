"""Workflows and activities that ask for what goes wrong, each in its own way; for hosts and workers."""

from __future__ import annotations

from dalsegno import RetryPolicy, activity, workflow

UNHEARD_OF = "unheard of"
"""An activity that no worker knows."""
NOBODYS_QUEUE = "nobody"
"""A task queue that has a worker only when a test starts one."""


@activity.defn
def echo(text: str) -> str:
    return text


@activity.defn
def measure(*texts: str) -> int:
    return sum(len(text) for text in texts)


@activity.defn
def inflate(size: int) -> str:
    return "x" * size


@workflow.defn
class Late:
    """Known to few hosts."""

    @workflow.run
    async def run(self) -> str:
        return await workflow.execute_activity(echo, "better late")


@workflow.defn
class AsksForTheUnknown:
    @workflow.run
    async def run(self) -> str:
        known_to_nobody = RetryPolicy(initial_interval=0.2, backoff_coefficient=1)
        answer: str = await workflow.execute_activity(UNHEARD_OF, retry_policy=known_to_nobody)
        return answer


@workflow.defn
class Waits:
    """For an activity of a task queue without a worker, each attempt of which may take `seconds`. One that is
    tried only `once` is acknowledged early."""

    @workflow.run
    async def run(self, seconds: float = 60.0, once: bool = False) -> str:
        policy = RetryPolicy(initial_interval=0.2, backoff_coefficient=1, maximum_attempts=1 if once else 0)
        return await workflow.execute_activity(
            echo,
            "true",
            task_queue=NOBODYS_QUEUE,
            start_to_close_timeout=seconds,
            retry_policy=policy,
        )


@workflow.defn
class Doubles:
    """Gives an activity its argument twice."""

    @workflow.run
    async def run(self, text: str) -> int:
        return await workflow.execute_activity(measure, args=[text, text])


@workflow.defn
class Inflates:
    """Asks for a result of `size` bytes, as an activity's or as its own."""

    def __init__(self) -> None:
        self.done = False

    @workflow.run
    async def run(self, size: int, by_itself: bool) -> str:
        if by_itself:
            return "x" * size
        return await workflow.execute_activity(inflate, size)

    @workflow.query
    def inflated(self, size: int) -> str:
        return "x" * size


@workflow.defn
class Gathers:
    """Collects signals until it is told how many there were."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self.expected = -1

    @workflow.run
    async def run(self) -> list[str]:
        await workflow.wait_condition(lambda: len(self.words) == self.expected)
        return self.words

    @workflow.signal
    def say(self, word: str) -> None:
        self.words.append(word)

    @workflow.signal
    def end(self, expected: int) -> None:
        self.expected = expected

    @workflow.query
    def said(self) -> list[str]:
        return self.words
