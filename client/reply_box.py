"""Where the replies to one correlation ID wait for whoever asked."""

from __future__ import annotations

import asyncio
from collections import deque

from dalsegno.broker.protocol.messages import ControlReply, Reply
from dalsegno.errors import InvalidMessageError
from dalsegno.loop_clock import LoopClock

Answer = Reply | ControlReply


class ReplyBox:
    """For one reader at a time."""

    def __init__(self, correlation_id: str) -> None:
        self.correlation_id = correlation_id
        self._arrived: deque[Answer | InvalidMessageError] = deque()
        self._reader: asyncio.Future[None] | None = None

    def put(self, answer: Answer | InvalidMessageError) -> None:
        self._arrived.append(answer)
        self.wake()

    def wake(self) -> None:
        """Let the reader look whether it is still worth waiting."""
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    def take(self) -> Answer | None:
        """The oldest reply that has arrived. Raises InvalidMessageError if it could not be read."""
        if not self._arrived:
            return None
        answer = self._arrived.popleft()
        if isinstance(answer, InvalidMessageError):
            raise answer
        return answer

    async def wait(self, clock: LoopClock, seconds: float) -> None:
        """Until `put` or `wake` is called, at most `seconds`."""
        self._reader = asyncio.get_running_loop().create_future()
        timer = clock.call_later(seconds, self.wake)
        try:
            await self._reader
        finally:
            timer.cancel()
            self._reader = None
