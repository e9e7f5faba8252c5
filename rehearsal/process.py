"""A process in which histories are run again: begun with the hash seed of their namespace, as activities'
processes are begun (`activity_code.processes`), so that its modules are imported there as they were here."""

from __future__ import annotations

import asyncio
import os
import pickle
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass, fields
from multiprocessing import process, spawn
from typing import Any, Self

import msgspec

from dalsegno.activity_code.processes.spawning import INHERITING
from dalsegno.errors import ConfigurationError
from dalsegno.rehearsal.history import WorkflowHistory
from dalsegno.rehearsal.rehearse import Outlook
from dalsegno.rehearsal.replaying import ReplayCode

PROGRAM = "import sys; sys.path[:] = {path!r}; from dalsegno.rehearsal.child import main; main({fd})"
NAME = "dalsegno-replay"
LENGTH_BYTES = 8
BEGIN_SECONDS = 60.0
"""For all that a process imports."""
END_SECONDS = 3.0
"""For what code of users has registered for the end of a process."""
CANNOT_BEGIN = "cannot begin"


@dataclass(frozen=True)
class ReplayBeginning:
    """What it is told first of all, pickled. `preparation` is of multiprocessing: paths, the working folder,
    and the main module where that is needed."""

    preparation: dict[str, Any]
    code: bytes
    seconds: float


class Asked(msgspec.Struct, frozen=True, array_like=True):
    history: str
    ends_anew: bool


class Answered(msgspec.Struct, frozen=True, array_like=True):
    """`outlook` is an Outlook, or CANNOT_BEGIN."""

    outlook: str
    reason: str


class ReplayProcess:
    """One process at a time: another is begun where code has ended it. An async context manager."""

    def __init__(self, code: ReplayCode, hash_seed: int, seconds: float) -> None:
        """Raises ConfigurationError for code that another process cannot import."""
        self._beginning = _beginning(code, seconds)
        self._seed = hash_seed
        self._seconds = seconds
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._end()

    async def outlook(self, history: WorkflowHistory, ends_anew: bool) -> tuple[Outlook, str]:
        """Raises ConfigurationError."""
        if self._process is None:
            await self._begin()
        assert self._reader is not None and self._writer is not None
        asked = msgspec.json.encode(Asked(history.to_json(), ends_anew))
        limit = BEGIN_SECONDS + self._seconds
        try:
            async with asyncio.timeout(limit):
                self._writer.write(len(asked).to_bytes(LENGTH_BYTES) + asked)
                await self._writer.drain()
                length = int.from_bytes(await self._reader.readexactly(LENGTH_BYTES))
                answer = msgspec.json.decode(await self._reader.readexactly(length), type=Answered)
        except TimeoutError:
            await self._end(at_once=True)
            what = (
                "its code runs on where Python cannot look, or what its modules do when they are imported lasts"
            )
            return Outlook.LOOPS, f"after {limit:g} s there is no answer: {what}"
        except (asyncio.IncompleteReadError, ConnectionError, msgspec.MsgspecError):
            code = await self._end()
            return Outlook.BUG, f"the process that ran its code has ended with {code}"
        except BaseException:
            await self._end(at_once=True)
            raise
        if answer.outlook == CANNOT_BEGIN:
            await self._end()
            raise ConfigurationError(answer.reason)
        outlook = Outlook(answer.outlook)
        if outlook is Outlook.LOOPS:  # it has ended
            await self._end()
        return outlook, answer.reason

    async def _begin(self) -> None:
        ours, theirs = socket.socketpair()
        try:
            self._process = await asyncio.create_subprocess_exec(
                *_command_line(theirs.fileno()),
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                env={**os.environ, "PYTHONHASHSEED": str(self._seed)},
            )
            self._reader, self._writer = await asyncio.open_unix_connection(sock=ours)
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        self._writer.write(len(self._beginning).to_bytes(LENGTH_BYTES) + self._beginning)

    async def _end(self, *, at_once: bool = False) -> int | None:
        process, self._process = self._process, None
        if process is None:
            return None
        if self._writer is not None:
            self._writer.transport.abort()
        if at_once and process.returncode is None:
            process.kill()
        elif process.returncode is None:
            try:
                async with asyncio.timeout(END_SECONDS):
                    return await process.wait()
            except TimeoutError:
                process.kill()
        return await process.wait()


def _beginning(code: ReplayCode, seconds: float) -> bytes:
    if getattr(process.current_process(), INHERITING, False):
        raise ConfigurationError(
            "The program replays histories when it is imported, which each process for replays does: put what "
            'does it under `if __name__ == "__main__":`.'
        )
    converter = code.data_converter
    given = (
        tuple(code.workflows),
        tuple(code.activities),
        # What it makes of these is made again.
        {field.name: getattr(converter, field.name) for field in fields(converter) if field.init},
        code.failure_exception_types,
        code.patch_activation_callback,
        code.interceptors,
    )
    try:
        pickled = pickle.dumps(given)
    except Exception as error:
        raise ConfigurationError(
            f"Histories are replayed in a process of their own, which cannot be given this code ({error}): "
            "define classes and functions at the top level of a module, and give the data converter no locks, "
            "sockets or the like; or replay in this process, with debug_mode=True, where sets iterate in an "
            "order of their own."
        ) from error
    preparation = spawn.get_preparation_data(NAME)
    # Theirs refuses to be pickled, so that nobody sends it by mistake.
    preparation["authkey"] = bytes(preparation["authkey"])
    if b"__main__" not in pickled:
        preparation = {key: value for key, value in preparation.items() if not key.startswith("init_main")}
    return pickle.dumps(ReplayBeginning(preparation, pickled, seconds))


def _command_line(fd: int) -> Sequence[str]:
    interpreter = spawn.get_command_line()[:-3]  # with its flags, and without what multiprocessing lets it do
    # The hash seed is told by the environment, which a process with these would not look at.
    interpreter = [flag for flag in interpreter if flag not in ("-E", "-I")]
    path = [entry for entry in sys.path if isinstance(entry, str)]
    return [*interpreter, "-c", PROGRAM.format(path=path, fd=fd)]
