"""The line within the server's own loop: operations are handed over as they are.

What a client sends is taken in at once, within its call: the server calls nobody back from there. What the
server sends gathers until the loop's next turn, or until the server flushes it where no client's call is under
way, so that no callback runs inside a call of its client.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from dalsegno._log import get_logger
from dalsegno.broker.embedded.link import LinkEnd, Receiver
from dalsegno.broker.embedded.wire import ClientOperation, ServerOperation

log = get_logger("dalsegno.broker.embedded")


class LocalLine:
    """`client` is the session's end and `server` the server's."""

    def __init__(self, session: Receiver[ServerOperation], peer: Receiver[ClientOperation]) -> None:
        self.client: LinkEnd[ClientOperation] = _ClientEnd(self)
        self.server: LinkEnd[ServerOperation] = _ServerEnd(self)
        self._session = session
        self._peer = peer
        self._loop = asyncio.get_running_loop()
        self._to_session: list[ServerOperation] = []
        self._closed = False

    def take(self, operations: Sequence[ClientOperation]) -> None:
        if self._closed:
            return
        try:
            self._peer.received(operations)
        except Exception:  # A bug of the server must not come out of a client's call: the session ends.
            log.exception("embedded_operation_failed")
            self.close_from_server()

    def gather(self, operations: Sequence[ServerOperation]) -> None:
        if self._closed:
            return
        if not self._to_session:
            self._loop.call_soon(self.hand_over)
        self._to_session += operations

    def hand_over(self) -> None:
        operations, self._to_session = self._to_session, []
        if not operations:
            return
        try:
            self._session.received(operations)
        except BaseException:
            # The rest of these operations is lost with the error, so the session cannot go on.
            self.close_from_client()
            self._session.lost("A callback raised an error.")
            raise

    def close_from_client(self) -> None:
        if not self._closed:
            self._closed = True
            self._to_session.clear()
            self._peer.lost("The session was closed.")

    def close_from_server(self) -> None:
        if not self._closed:
            self._closed = True
            self._loop.call_soon(self._end_session)

    def _end_session(self) -> None:
        self.hand_over()
        self._session.lost("The server closed the session.")


class _ClientEnd:
    def __init__(self, line: LocalLine) -> None:
        self._line = line

    def send(self, operations: Sequence[ClientOperation]) -> None:
        self._line.take(operations)

    def flush(self) -> None:
        """Nothing gathers."""

    def close(self) -> None:
        self._line.close_from_client()

    def pause(self) -> None:
        """Nothing is ever read too slowly in one's own process."""

    def resume(self) -> None:
        """Nothing was paused."""


class _ServerEnd:
    def __init__(self, line: LocalLine) -> None:
        self._line = line

    def send(self, operations: Sequence[ServerOperation]) -> None:
        self._line.gather(operations)

    def flush(self) -> None:
        self._line.hand_over()

    def close(self) -> None:
        self._line.close_from_server()

    def pause(self) -> None:
        """What a client of our own process sends is here already."""

    def resume(self) -> None:
        """Nothing was paused."""
