"""One process, as the worker sees it. All of it is on the worker's loop, which nothing here holds up."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Callable
from contextlib import suppress

import msgspec

from dalsegno.activity_code.processes.spawning import command_line
from dalsegno.activity_code.processes.words import (
    LENGTH_BYTES,
    ChildReady,
    ChildUnable,
    FromChild,
    ToChild,
    framed,
    from_child,
    with_length,
)

BEGIN_SECONDS = 60.0
"""For all that a process imports."""
LAST_WORDS_SECONDS = 1.0
"""For what a process has said before it died to arrive. The sockets may stay open longer, if it has started
others that have its end."""


class ChildProcess:
    """`heard` is called with what it says of a job, `ready` once, and `ended` once, at last, with why: in words
    for people, or None where all tasks of the loop were cancelled."""

    def __init__(
        self,
        beginning: bytes,
        *,
        ready: Callable[[ChildProcess], None],
        heard: Callable[[ChildProcess, FromChild], None],
        ended: Callable[[ChildProcess, str | None], None],
    ) -> None:
        self._beginning = beginning
        self._ready = ready
        self._heard = heard
        self._ended = ended
        self.is_ready = False
        self.pid: int | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._why: str | None = ""
        self._is_killed = False
        self._timer: asyncio.TimerHandle | None = None
        self.life = asyncio.get_running_loop().create_task(self._live())

    def send(self, message: ToChild) -> None:
        """Only once it is ready. Nothing, where it has just died."""
        if self._writer is not None and not self._writer.is_closing():
            self._writer.write(framed(message))

    def close(self) -> None:
        """Let it end by itself, at once."""
        if self._writer is None:
            self.kill()
        else:
            self._writer.close()

    def kill(self) -> None:
        self._is_killed = True
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError):
                # Not `Process.kill`, which may take the exit code from asyncio's own watcher.
                os.kill(self._process.pid, signal.SIGKILL)

    async def _live(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            process = self._process = await self._spawn()
            self.pid = process.pid
            if self._is_killed:
                self.kill()
            reader, writer = await asyncio.open_unix_connection(sock=self._ours)
            self._writer = writer
            writer.write(with_length(self._beginning))
            self._timer = loop.call_later(BEGIN_SECONDS, self._too_late)
            exited = loop.create_task(process.wait())
            exited.add_done_callback(lambda _: loop.call_later(LAST_WORDS_SECONDS, writer.transport.abort))
            try:
                await self._read(reader)
                await asyncio.wait({exited}, timeout=LAST_WORDS_SECONDS)
            finally:
                self.kill()
                writer.transport.abort()
                code = await exited
            self._why = self._why or ended_by(code)
        except asyncio.CancelledError:
            self._why = None
            raise
        except OSError as error:
            self._why = self._why or f"it could not be started: {error}"
        finally:
            if self._timer is not None:
                self._timer.cancel()
            self.kill()
            self._ended(self, self._why)

    async def _spawn(self) -> asyncio.subprocess.Process:
        self._ours, theirs = socket.socketpair()
        try:
            # A session of its own: what is typed at a terminal (Ctrl-C) is for the worker.
            return await asyncio.create_subprocess_exec(
                *command_line(theirs.fileno()),
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        except BaseException:
            self._ours.close()
            raise
        finally:
            theirs.close()

    async def _read(self, reader: asyncio.StreamReader) -> None:
        """Until the process has closed its end, or is gone, or code in it has written there."""
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                length = int.from_bytes(await reader.readexactly(LENGTH_BYTES))
                body = await reader.readexactly(length)
                try:
                    message = from_child.decode(body)
                except msgspec.MsgspecError:
                    self._why = "something has written into its connection to the worker"
                    return
                self._on_message(message)

    def _on_message(self, message: FromChild) -> None:
        match message:
            case ChildReady():
                self.is_ready = True
                if self._timer is not None:
                    self._timer.cancel()
                self._ready(self)
            case ChildUnable():
                self._why = f"it could not begin: {message.why}"
            case _:
                self._heard(self, message)

    def _too_late(self) -> None:
        self._why = (
            f"it had not begun after {BEGIN_SECONDS:g} s: what its modules do when they are imported lasts"
        )
        self.kill()


def ended_by(code: int) -> str:
    if code >= 0:
        return f"it ended with the exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    memory = ", as the system does where memory runs out" if code == -signal.SIGKILL else ""
    return f"it was killed by {name}{memory}"
