"""What a process of a worker's does: it runs one activity after the other in its main thread.

The interceptors that stand around activities are here, too, in copies: what they put into the context is where
the code is. They run on the loop of a thread of their own.

Another thread listens to the worker, so that code is asked to stop while it runs, and ends the process when the
worker is gone. While code in C keeps the interpreter, it does so afterwards.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import os
import pickle
import queue
import select
import signal
import socket
import threading
from collections.abc import Mapping, Sequence
from multiprocessing import process, spawn
from typing import Any

import structlog

from dalsegno import _log
from dalsegno.activity import CompleteAsyncError
from dalsegno.activity_code.context import AttemptContext
from dalsegno.activity_code.execution import call_sync
from dalsegno.activity_code.interruption import Interruption
from dalsegno.activity_code.outcomes import fitting_details, too_large
from dalsegno.activity_code.processes.spawning import (
    INHERITING,
    Beginning,
    GivenCode,
    restored,
    restored_interceptors,
)
from dalsegno.activity_code.processes.words import (
    LENGTH_BYTES,
    BeatAgain,
    ChildReady,
    ChildUnable,
    FromChild,
    JobBeat,
    JobBegun,
    JobCanceled,
    JobDetached,
    JobGiven,
    JobRaised,
    JobReturned,
    JobStopped,
    LineSaid,
    OfJob,
    ToChild,
    WorkerEnds,
    framed,
    to_child,
)
from dalsegno.activity_code.registry import Definition
from dalsegno.activity_code.worker_shutdown import WorkerShutdown
from dalsegno.data_converter import DataConverter
from dalsegno.definition import DYNAMIC_NAME
from dalsegno.error_text import class_name, is_a, message_of
from dalsegno.errors import ApplicationError, CanceledError
from dalsegno.interceptors.worker import WorkerInterceptor
from dalsegno.payload import Payload

LOOK_SECONDS = 1.0
"""How often it looks whether the worker lives: a copy of that (a fork) may keep its end of the sockets open."""
END_SECONDS = 3.0
"""For its threads and what it has registered for its end; then it ends all the same."""
ORPHANED = 71
MESSAGE_CHARACTERS_MAX = 2_000

Plain = str | int | float | bool | None


def main(fd: int) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        # They are the worker's to see to, which ends this process when what runs in it has ended. (Not SIG_IGN:
        # what an activity starts would inherit that.)
        signal.signal(number, _leave_to_worker)
    wire = Wire(socket.socket(fileno=fd))
    first = wire.received()
    if first is None:
        return
    beginning: Beginning = pickle.loads(first)
    child = Child(wire, beginning)
    threading.Thread(target=child.listen, name="dalsegno-worker", daemon=True).start()
    child.work()


def _leave_to_worker(number: int, frame: object) -> None:
    """A handler that does nothing."""


class Wire:
    """The process's end of the sockets. Any thread may send."""

    def __init__(self, connection: socket.socket) -> None:
        connection.set_inheritable(False)
        self._connection = connection
        self._lock = threading.Lock()

    def send(self, message: FromChild) -> None:
        try:
            with self._lock:
                self._connection.sendall(framed(message))
        except OSError:
            os._exit(ORPHANED)  # nobody is there to be told anything

    def has_news(self, seconds: float) -> bool:
        return bool(select.select([self._connection], [], [], seconds)[0])

    def received(self) -> bytes | None:
        """None: the worker has closed its end, or is gone."""
        length = self._exactly(LENGTH_BYTES)
        return None if length is None else self._exactly(int.from_bytes(length))

    def _exactly(self, count: int) -> bytes | None:
        received = bytearray()
        while len(received) < count:
            try:
                part = self._connection.recv(count - len(received))
            except OSError:
                return None
            if not part:
                return None
            received += part
        return bytes(received)


class Running:
    """One activity here."""

    def __init__(
        self,
        given: JobGiven,
        wire: Wire,
        converter: DataConverter,
        ending: WorkerShutdown,
        *,
        is_interrupted: bool,
        interceptors: Sequence[WorkerInterceptor] = (),
    ) -> None:
        self.number = given.number
        self.task = given.task
        self.context = AttemptContext(
            given.task,
            self._beat,
            converter,
            threaded=True,
            worker_shutdown=ending,
            interceptors=interceptors,
        )
        self.context.interruption = Interruption() if is_interrupted else None
        self._wire = wire
        self._lock = threading.Lock()
        self._may_beat = True
        self._unsent = False
        self._newest: Payload | None = None

    def _beat(self, details: Payload | None) -> None:
        with self._lock:
            self._newest = self._newest if details is None else fitting_details(details)
            self._unsent = True
            if self._may_beat:
                self._send_beat()

    def beat_again(self) -> None:
        with self._lock:
            self._may_beat = True
            if self._unsent:
                self._send_beat()

    def _send_beat(self) -> None:
        self._unsent = self._may_beat = False
        self._wire.send(JobBeat(self.number, self._newest))

    def end(self, outcome: OfJob) -> None:
        with self._lock:
            if self._unsent:
                self._send_beat()
        _log.flush()
        self._wire.send(outcome)


class Child:
    def __init__(self, wire: Wire, beginning: Beginning) -> None:
        self._wire = wire
        self._beginning = beginning
        self._converter: DataConverter = DataConverter.default
        self._interceptors: tuple[WorkerInterceptor, ...] = ()
        self._loop: asyncio.AbstractEventLoop | None = None
        """The interceptors'; there is none without them."""
        self._ending = WorkerShutdown()
        self._given: queue.SimpleQueue[Running | None] = queue.SimpleQueue()
        self._jobs: dict[int, Running] = {}
        """The one that runs, and who comes after it."""
        self._definitions: dict[str, Definition] = {}
        self._is_idle = False

    # --- in the main thread --------------------------------------------------------------------------------

    def work(self) -> None:
        _log_to_worker(self._wire, self._beginning.log_level)
        setattr(process.current_process(), INHERITING, True)
        try:
            spawn.prepare(self._beginning.preparation)
            self._converter = DataConverter(*pickle.loads(self._beginning.converter))
            self._interceptors = restored_interceptors(self._beginning.interceptors)
        except BaseException as error:  # noqa: BLE001 - of the user's main module
            why = message_of(error, MESSAGE_CHARACTERS_MAX)
            self._wire.send(ChildUnable(f"{class_name(error)}: {why}"))
            return
        delattr(process.current_process(), INHERITING)
        if self._interceptors:
            self._loop = _loop_of_a_thread()
        self._is_idle = True
        self._wire.send(ChildReady())
        while (job := self._given.get()) is not None:
            self._is_idle = False
            self._wire.send(JobBegun(job.number))
            job.end(contextvars.copy_context().run(self._outcome, job))
            del self._jobs[job.number]
            self._is_idle = True

    def _outcome(self, job: Running) -> OfJob:
        try:
            definition = self._definition(job.task.activity_type)
            result = call_sync(definition, job.task, job.context, _required_value, self._loop)
        except BaseException as error:  # noqa: BLE001 - the border of the activity: it is its outcome
            if is_a(error, CompleteAsyncError):
                return JobDetached(job.number)
            if is_a(error, (asyncio.CancelledError, CanceledError)):
                return JobCanceled(job.number, message_of(error, MESSAGE_CHARACTERS_MAX))
            return JobRaised(job.number, job.context.converter.to_failure(error))
        failure = too_large(job.task.activity_type, result)
        return JobReturned(job.number, result) if failure is None else JobRaised(job.number, failure)

    def _definition(self, name: str) -> Definition:
        known = self._definitions.get(name)
        if known is None:
            known = self._definitions[name] = restored(name, self._code(name))
        return known

    def _code(self, name: str) -> GivenCode:
        activities = self._beginning.activities
        return activities[name] if name in activities else activities[DYNAMIC_NAME]

    # --- in the thread that listens ------------------------------------------------------------------------

    def listen(self) -> None:
        while os.getppid() == self._beginning.worker_pid:
            if not self._wire.has_news(LOOK_SECONDS):
                continue
            body = self._wire.received()
            if body is None:
                break
            self._take(to_child.decode(body))
        if not self._is_idle:
            os._exit(ORPHANED)
        self._given.put(None)
        threading.Event().wait(END_SECONDS)
        os._exit(ORPHANED)

    def _take(self, message: ToChild) -> None:
        match message:
            case JobGiven():
                if message.worker_ends:
                    self._ending.ask()
                interrupted = self._code(message.task.activity_type).is_interrupted
                job = Running(
                    message,
                    self._wire,
                    self._converter,
                    self._ending,
                    is_interrupted=interrupted,
                    interceptors=self._interceptors,
                )
                self._jobs[message.number] = job
                self._given.put(job)
            case JobStopped():
                if (running := self._jobs.get(message.number)) is not None:
                    running.context.explain(message.details)
                    running.context.cancel(message.reason)
            case BeatAgain():
                if (running := self._jobs.get(message.number)) is not None:
                    running.beat_again()
            case WorkerEnds():
                self._ending.ask()


def _loop_of_a_thread() -> asyncio.AbstractEventLoop:
    """It runs as long as the process does."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="dalsegno-interceptors", daemon=True).start()
    return loop


def _required_value(result: Any) -> Any:
    if inspect.isawaitable(result):
        if inspect.iscoroutine(result):
            result.close()
        raise ApplicationError(
            'The activity gave back a coroutine, which has no event loop here: leave out executor="process".',
            type="TypeError",
            non_retryable=True,
        )
    return result


def _log_to_worker(wire: Wire, level: int) -> None:
    """Until the user's own modules configure structlog, if they do."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.StackInfoRenderer(),
            structlog.processors.format_exc_info,
            _as_one_argument,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *names: _Lines(wire, *names),
        cache_logger_on_first_use=False,
    )


def _as_one_argument(
    logger: object, method: str, event: Mapping[str, Any]
) -> tuple[tuple[Mapping[str, Any]], dict[str, Any]]:
    return (event,), {}


class _Lines:
    """What structlog writes to."""

    def __init__(self, wire: Wire, *names: str) -> None:
        self._wire = wire
        self._name = names[0] if names else ""

    def _say(self, level: str, values: Mapping[str, Any]) -> None:
        shown = {_sendable(str(key)): _plain(value) for key, value in values.items() if key != "event"}
        self._wire.send(LineSaid(self._name, level, _sendable(str(values.get("event", ""))), shown))

    def debug(self, values: Mapping[str, Any]) -> None:
        self._say("debug", values)

    def info(self, values: Mapping[str, Any]) -> None:
        self._say("info", values)

    def warning(self, values: Mapping[str, Any]) -> None:
        self._say("warning", values)

    def error(self, values: Mapping[str, Any]) -> None:
        self._say("error", values)

    def critical(self, values: Mapping[str, Any]) -> None:
        self._say("critical", values)

    msg = info


def _plain(value: Any) -> Plain:
    if type(value) is str:
        return _sendable(value)
    if value is None or type(value) in (bool, float) or (type(value) is int and abs(value) < 2**63):
        return value  # type: ignore[no-any-return]
    try:
        return _sendable(repr(value))
    except Exception:  # noqa: BLE001 - a user's own
        return f"<{type(value).__name__}>"


def _sendable(text: str) -> str:
    """With lone surrogates, such as names of files may have, in escapes: the line would be lost."""
    return text.encode("utf-8", "backslashreplace").decode()
