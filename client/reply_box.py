"""Where the replies to one correlation ID wait for whoever asked."""

from __future__ import annotations

import asyncio

from dalsegno.broker.protocol.messages import ControlReply, Reply
from dalsegno.errors import InvalidMessageError
from dalsegno.loop_clock import LoopClock

Answer = Reply | ControlReply


class ReplyBox:
    """For one reader at a time. What was answered again under the same message ID, while the first waits for
    its reader, takes its place: a box holds no more than there are different answers."""

    def __init__(self, correlation_id: str) -> None:
        self.correlation_id = correlation_id
        self._arrived: dict[object, Answer | InvalidMessageError] = {}
        """By message ID and kind, in the order of their coming."""
        self._reader: asyncio.Future[None] | None = None

    def put(self, answer: Answer | InvalidMessageError, message_id: str | None = None) -> None:
        """One without an ID is like no other."""
        kind = answer.kind if isinstance(answer, Reply) else type(answer)
        self._arrived[object() if message_id is None else (message_id, kind)] = answer
        self.wake()

    def wake(self) -> None:
        """Let the reader look whether it is still worth waiting."""
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    def take(self) -> Answer | None:
        """The oldest reply that has arrived. Raises InvalidMessageError if it could not be read."""
        if not self._arrived:
            return None
        answer = self._arrived.pop(next(iter(self._arrived)))
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
