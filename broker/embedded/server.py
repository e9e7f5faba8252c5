"""The owner of an embedded broker."""

from __future__ import annotations

import asyncio
import socket
from functools import partial
from os import PathLike
from pathlib import Path
from types import TracebackType

from dalsegno._log import get_logger
from dalsegno.broker.embedded.journal import Job, Journal
from dalsegno.broker.embedded.link import LinkEnd, Receiver, SocketLink
from dalsegno.broker.embedded.local_link import LocalLine
from dalsegno.broker.embedded.location import Location, OwnerLock
from dalsegno.broker.embedded.switchboard import Switchboard
from dalsegno.broker.embedded.wire import ClientOperation, ServerOperation, decode_client_operations
from dalsegno.errors import ConfigurationError

log = get_logger("dalsegno.broker.embedded")

_serving: dict[Path, EmbeddedServer] = {}
"""The servers of this process, so that its own sessions need no socket."""


def server_here(location: Location) -> EmbeddedServer | None:
    """The running server of that broker, if it is on the calling loop."""
    server = _serving.get(location.path)
    return server if server is not None and server.is_on(asyncio.get_running_loop()) else None


class EmbeddedServer:
    """Owns the embedded broker in file `path` (created if missing) and serves it on a Unix socket beside it.

    Every process of the same user on this machine can open sessions with `EmbeddedBroker(path)`. After a crash
    of the owner all that was not acknowledged on disk is ready again in the old order, with `redelivered` true
    as far as its delivery had been noted; delivery counts begin anew. The file is reused, never made smaller.
    When the disk is full, publishes are refused and the rest goes on. An internal error ends all sessions; then
    this server must be closed and started again.

    Starting lowers the process's `sys.getswitchinterval` to 0.5 ms, so that a busy loop cannot starve the
    writer.
    """

    def __init__(self, path: str | PathLike[str]) -> None:
        self._location = Location.of(path)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock: OwnerLock | None = None
        self._switchboard: Switchboard | None = None
        self._listener: asyncio.Server | None = None

    async def start(self) -> None:
        """Starting twice is ordinary. Raises ConfigurationError when the file has an owner or is unusable."""
        if self._lock is not None:
            return
        self._lock = OwnerLock(self._location)
        try:
            self._loop = asyncio.get_running_loop()
            path = self._location.path
            self._switchboard = Switchboard(partial(Journal, path), self._stop_listening)
            await self._switchboard.start()
            self._listener = await self._listen()
        except BaseException:
            await self.close()
            raise
        _serving[self._location.path] = self
        log.info("embedded_broker_started", path=str(self._location.path))

    async def close(self) -> None:
        """Write what has come in, end every session, give up the file. Closing twice is ordinary."""
        lock, self._lock = self._lock, None
        if lock is None:
            return
        _serving.pop(self._location.path, None)
        try:
            self._stop_listening()
            if self._switchboard is not None:
                await self._switchboard.close()
                self._switchboard = None
        finally:
            lock.release()

    async def __aenter__(self) -> EmbeddedServer:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    def is_on(self, loop: asyncio.AbstractEventLoop) -> bool:
        return self._loop is loop

    def connect(self, receiver: Receiver[ServerOperation]) -> LinkEnd[ClientOperation] | None:
        """A session of this very loop, without the socket; None when the server is not running."""
        if self._switchboard is None or not self._switchboard.is_open:
            return None
        peer = self._switchboard.open_session(is_local=True)
        line = LocalLine(receiver, peer)
        peer.attach(line.server)
        return line.client

    def run_on_file(self, job: Job) -> None:
        """Call `job` on the writer thread, behind all that was submitted."""
        if self._switchboard is not None:
            self._switchboard.run_on_file(job)

    async def _listen(self) -> asyncio.Server:
        self._location.prepare_socket_folder()
        path = self._location.socket
        path.unlink(missing_ok=True)  # We hold the lock, so whoever left it is dead.
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            listening.bind(str(path))
            path.chmod(0o600)  # Before anybody can connect: that takes the listen() which follows.
            return await asyncio.get_running_loop().create_unix_server(self._accept, sock=listening)
        except OSError as error:
            listening.close()
            raise ConfigurationError(
                f"The embedded broker cannot listen on {path}: {error.strerror}."
            ) from error

    def _stop_listening(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None
            self._location.socket.unlink(missing_ok=True)

    def _accept(self) -> SocketLink[ClientOperation, ServerOperation]:
        switchboard = self._switchboard
        assert switchboard is not None  # There is a listener only while there is a switchboard.
        peer = switchboard.open_session(is_local=False)
        link: SocketLink[ClientOperation, ServerOperation] = SocketLink(peer, decode_client_operations)
        peer.attach(link)
        return link
