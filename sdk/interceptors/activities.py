"""Around the code of activities: each attempt has a chain of its own, on the event loop of its worker, or of
the host that runs a local activity."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dalsegno.activity import Info
from dalsegno.payload import Payload


@dataclass
class ExecuteActivityInput:
    """`fn` is the activity's function; a plain one is called in a thread. `executor` is what Temporal has, and
    always None."""

    fn: Callable[..., Any]
    args: Sequence[Any]
    executor: Any
    headers: Mapping[str, Payload]


class ActivityOutboundInterceptor:
    """What the code of an activity asks of its worker."""

    def __init__(self, next: ActivityOutboundInterceptor) -> None:
        self.next = next

    def info(self) -> Info:
        """`activity.info()`."""
        return self.next.info()

    def heartbeat(self, *details: Any) -> None:
        """`activity.heartbeat(*details)`."""
        self.next.heartbeat(*details)


class ActivityInboundInterceptor:
    """Around an attempt."""

    def __init__(self, next: ActivityInboundInterceptor) -> None:
        self.next = next

    def init(self, outbound: ActivityOutboundInterceptor) -> None:
        """Called once, before anything else. To stand in the way of `outbound`, give the next one your own."""
        self.next.init(outbound)

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        """Returns what the activity does. What is raised here has failed the attempt."""
        return await self.next.execute_activity(input)
