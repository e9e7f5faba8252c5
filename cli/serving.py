"""Hosts and workers as processes: what `host`, `worker` and `dev` start.

What only hosts need is imported where a host begins: a worker runs without the extra `host`.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, NoReturn

from dalsegno._log import get_logger
from dalsegno._outlet import exit_now
from dalsegno.actors.supervisor.failing import fail_stop
from dalsegno.actors.supervisor.parent import parent_watch
from dalsegno.actors.supervisor.parent.child import ChildSpec, Launch
from dalsegno.actors.supervisor.parent.watchdog import START_SECONDS, WatchdogSettings
from dalsegno.backoff import Backoff
from dalsegno.broker.url import open_broker
from dalsegno.cli import code
from dalsegno.cli.failures import DONE
from dalsegno.cli.options import embedded_file, is_embedded
from dalsegno.cli.output import say
from dalsegno.errors import ConfigurationError, DalsegnoError, DefinitionError, StoreUnavailableError

if TYPE_CHECKING:
    from types import ModuleType

    from dalsegno.activity_code.registry import Registry
    from dalsegno.actors.supervisor.settings import HostSettings
    from dalsegno.persistence.port import Store

log = get_logger()

STORE_RETRY_SECONDS = (0.5, 5.0)
OWNER_SECONDS = 10.0
"""How long a worker of `dev` waits for its host before it begins to complain."""
PARENT_LOOK_SECONDS = 1.0
DEV_DRAIN_SECONDS = 3.0
"""With the five seconds that cancelled activities get it is less than what the parent gives its children."""

GC_ALLOCATIONS = 20_000
"""By how many a host's objects have grown when it looks for cycles among the new ones (Python's own: 700)."""


def run_loop(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """On uvloop where it is installed; it costs half of asyncio's own loop."""
    try:
        import uvloop
    except ImportError:
        asyncio.run(main())
    else:
        uvloop.run(main())


def awaited_store(database: str, *, beat: Callable[[], None] = lambda: None) -> Store:
    """A store that answers and whose schema fits: hosts may be started before their database.

    One log line per try; `beat` is called as often, to show that we live. Raises ConfigurationError.
    """
    from dalsegno.cli.namespace import checked_store

    pauses = Backoff(*STORE_RETRY_SECONDS, jitter=False)
    while True:
        beat()
        try:
            return checked_store(database)
        except StoreUnavailableError as error:
            delay = pauses.next_seconds()
            log.warning("database_unavailable", reason=str(error), retry_in_seconds=delay)
        time.sleep(delay)


# --- hosts ---------------------------------------------------------------------------------------------------


def serve_host(
    modules: Sequence[str],
    *,
    broker: str,
    database: str,
    data_converter: str | None,
    interceptors: Sequence[str] | None,
    patch_activation: str | None,
    settings: HostSettings,
    launch: Launch,
) -> None:
    """The child: one host, until it is asked to stop or its parent is gone."""
    from dalsegno.actors.supervisor.host.host import Host
    from dalsegno.actors.supervisor.parent import stack
    from dalsegno.actors.supervisor.parent.pulse import PulseWriter
    from dalsegno.actors.workflow_actor.program.registry import WorkflowRegistry

    parent_watch.watch(launch.parent_pid)
    loaded = code.load(modules)
    workflows = code.workflows_in(loaded)
    converter, around = code.data_converter(data_converter), code.interceptors(interceptors)
    activities = local_activities_in(loaded)
    registry = WorkflowRegistry(
        [(cls, None) for cls in workflows],
        data_converter=converter,
        step_limit=settings.step_limit,
        local_activities=activities,
        patch_activation_callback=code.patch_activation(patch_activation),
        interceptors=around,
    )
    names = ", ".join(code.name_of(cls) for cls in workflows) or "no workflows but dalsegno's own"
    pulse = PulseWriter.open(launch.pulse_path)
    stack.answer_on(launch.pulse_path)
    store = awaited_store(database, beat=pulse.beat)

    def ready() -> None:
        # What is there by now stays: the collector of cycles need not look at it again and again. Little of
        # what comes and goes is in cycles, so that it may look less often, too.
        gc.collect()
        gc.freeze()
        gc.set_threshold(GC_ALLOCATIONS)
        say(f"ready: host {launch.host_id} (process {os.getpid()}) runs {names}")

    async def main() -> None:
        async with AsyncExitStack() as stack:
            if is_embedded(broker):
                from dalsegno.broker.embedded import EmbeddedServer

                await stack.enter_async_context(EmbeddedServer(embedded_file(broker)))
            host = Host(
                broker=open_broker(broker, held_bytes=settings.held_bytes),
                store=store,
                code=registry,
                settings=settings,
                pulse=pulse,
                host_id=launch.host_id,
                parent_pid=launch.parent_pid,
                ready=ready,
                activities=activities,
                data_converter=converter,
                interceptors=around,
            )
            _on_stop_signals(host.drain)
            await host.run()
        if host.has_hanging_threads:
            store.close()
            exit_now(DONE)

    try:
        run_loop(main)
    finally:
        store.close()


def local_activities_in(modules: Sequence[ModuleType]) -> Registry | None:
    """Those that a host can run itself. Where they contradict each other it has none, and says why: workers of
    different task queues may well be given both."""
    from dalsegno.activity_code.registry import Registry

    activities = code.activities_in(modules, may_be_none=True)
    try:
        return Registry(activities) if activities else None
    except DefinitionError as error:
        log.warning("no_local_activities", reason=str(error))
        return None


def _on_stop_signals(callback: Callable[[], None]) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, callback)


def host_spec(
    modules: Sequence[str], *, broker: str, database: str, processes: int, flags: Sequence[str]
) -> ChildSpec:
    """How the parent starts a host: this program again, told about its life."""

    def command(launch: Launch) -> list[str]:
        life = [launch.host_id, launch.pulse_path, str(launch.parent_pid)]
        return [*program("host", modules), *flags, "--child", *life]

    environment = {"DALSEGNO_BROKER": broker, "DALSEGNO_DATABASE": database}
    return ChildSpec(name="host", command=command, processes=processes, is_host=True, environment=environment)


def worker_spec(modules: Sequence[str], *, broker: str, flags: Sequence[str]) -> ChildSpec:
    def command(launch: Launch) -> list[str]:
        life = ["--drain-seconds", str(DEV_DRAIN_SECONDS), "--child-of", str(launch.parent_pid)]
        return [*program("worker", modules), *flags, *life]

    return ChildSpec(name="worker", command=command, environment={"DALSEGNO_BROKER": broker})


def converter_flags(data_converter: str | None, interceptors: Sequence[str] | None) -> list[str]:
    """To hand them on to a child."""
    flags = [part for place in interceptors or () for part in ("--interceptor", place)]
    return flags if data_converter is None else ["--data-converter", data_converter, *flags]


def program(command: str, modules: Sequence[str]) -> list[str]:
    """How this program is started again. URLs go by the environment: everybody on the machine may read command
    lines, and so their passwords.

    With -P, for `-m` would put the working folder before the standard library.
    """
    return [sys.executable, "-P", "-m", "dalsegno.cli", command, *modules]


def supervise(specs: Sequence[ChildSpec], *, database: str, start_seconds: float = START_SECONDS) -> int:
    """The parent, until it is asked to stop; the exit code. `start_seconds`: what children have to import their
    modules."""
    from dalsegno.actors.supervisor.parent.parent import Parent, ParentSettings

    settings = ParentSettings(watchdog=WatchdogSettings(start_seconds=start_seconds))
    store = awaited_store(database)
    try:
        hash_seed = store.namespace().hash_seed
        return Parent(specs, membership=store.membership, hash_seed=hash_seed, settings=settings).run()
    finally:
        store.close()


def check_processes(processes: int, *, broker: str, database: str) -> None:
    if processes > 1 and (is_embedded(broker) or database.startswith("sqlite")):
        raise ConfigurationError(
            "The embedded broker and SQLite serve one host process: use --processes 1, or RabbitMQ and "
            "PostgreSQL."
        )


# --- workers -------------------------------------------------------------------------------------------------


def serve_worker(
    modules: Sequence[str],
    *,
    broker: str,
    task_queue: str,
    data_converter: str | None,
    interceptors: Sequence[str] | None,
    concurrency: int,
    drain_seconds: float,
    held_bytes: int,
    parent_pid: int | None,
) -> None:
    """A worker, until it is asked to stop, or its parent (if it has one) is gone. Asked twice it ends now."""
    loaded = code.load(modules, warn=parent_pid is None)
    # In `dev`, where the same modules serve host and worker, there may be nothing to do for a worker.
    activities = code.activities_in(loaded, may_be_none=parent_pid is not None)
    converter, around = code.data_converter(data_converter), code.interceptors(interceptors)

    async def main() -> None:
        fail_stop.watch_loop(asyncio.get_running_loop(), fail_stop.end_process)
        stopping = _Stopping(parent_pid)
        if not activities:
            say("no activity in these modules: no worker runs")
            await stopping.wait()
            return
        if parent_pid is not None and is_embedded(broker):
            await stopping.unless_over(_owner_appears(broker))
        if not stopping.is_set():
            await _work(stopping)

    async def _work(stopping: _Stopping) -> None:
        from dalsegno.workers import Worker
        from dalsegno.workers.broker import open_worker_broker

        worker = Worker(
            open_worker_broker(broker, held_bytes=held_bytes),
            task_queue=task_queue,
            activities=activities,
            max_concurrent_activities=concurrency,
            drain_timeout=drain_seconds,
            held_bytes=held_bytes,
            data_converter=converter,
            interceptors=around,
        )
        names = ", ".join(sorted(code.name_of(activity) for activity in activities))
        life = asyncio.create_task(worker.run())
        ready = asyncio.create_task(worker.wait_until_ready())
        stop = asyncio.create_task(stopping.wait())
        try:
            await asyncio.wait({ready, life, stop}, return_when=asyncio.FIRST_COMPLETED)
            if ready.done():
                say(f"ready: worker {worker.identity} on task queue {task_queue} runs {names}")
                await asyncio.wait({life, stop}, return_when=asyncio.FIRST_COMPLETED)
            if stop.done():
                await worker.shutdown()
            await _unless_defect(life)
            if worker.abandoned:
                _end_without(worker.abandoned)
        finally:
            ready.cancel()
            stop.cancel()

    run_loop(main)


async def _unless_defect(life: Awaitable[None]) -> None:
    """What a worker's own machinery meets ends the process at once: Python would wait for its threads."""
    try:
        await life
    except (DalsegnoError, OSError, asyncio.CancelledError):
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is
        fail_stop.end_process(error)


def _end_without(abandoned: Sequence[str]) -> NoReturn:
    """Nobody can stop their code, and Python would wait for it. All else has ended: what this process had not
    acknowledged is back in its queue, and the outcomes are confirmed."""
    log.warning(
        "activities_abandoned",
        activities=list(abandoned),
        hint="they did not stop when asked; let them call heartbeat() or look at is_cancelled()",
    )
    exit_now(DONE)


class _Stopping:
    """Set by SIGTERM, by Ctrl-C, or when the parent is gone. The second signal ends the process at once."""

    def __init__(self, parent_pid: int | None) -> None:
        self._event = asyncio.Event()
        self._parent_pid = parent_pid
        self.wait = self._event.wait
        self.is_set = self._event.is_set
        _on_stop_signals(self._on_signal)
        if parent_pid is not None:
            self._look()

    def _on_signal(self) -> None:
        if self._event.is_set():
            # Threads that run activities cannot be stopped, and Python would wait for them.
            os._exit(1)
        self._event.set()

    def _look(self) -> None:
        if os.getppid() != self._parent_pid:
            self._event.set()
        asyncio.get_running_loop().call_later(PARENT_LOOK_SECONDS, self._look)

    async def unless_over(self, something: Coroutine[Any, Any, None]) -> None:
        """Wait for something, but no longer than until it is time to stop."""
        tasks = {asyncio.create_task(something), asyncio.create_task(self.wait())}
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()


async def _owner_appears(broker: str) -> None:
    from dalsegno.broker.embedded.location import Location

    socket = Location.of(embedded_file(broker)).socket
    deadline = time.monotonic() + OWNER_SECONDS
    while not socket.exists() and time.monotonic() < deadline:  # noqa: ASYNC110 - a file's coming is no event
        await asyncio.sleep(0.05)
