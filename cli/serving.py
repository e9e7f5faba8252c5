"""Hosts and workers as processes: what `host`, `worker` and `dev` start."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack

from dalsegno.actors.supervisor.child import ChildSpec, Launch
from dalsegno.actors.supervisor.host import Host
from dalsegno.actors.supervisor.parent import Parent
from dalsegno.actors.supervisor.pulse import PulseWriter
from dalsegno.actors.supervisor.settings import HostSettings
from dalsegno.actors.workflow_actor.registry import WorkflowRegistry
from dalsegno.broker.url import embedded_path, open_broker
from dalsegno.cli import code
from dalsegno.cli.namespace import checked_store, is_embedded
from dalsegno.errors import ConfigurationError
from dalsegno.persistence.port import Membership, Store


def run_loop(main: Callable[[], object]) -> None:
    """On uvloop where it is installed; it costs half of asyncio's own loop."""
    try:
        import uvloop
    except ImportError:
        asyncio.run(main())  # type: ignore[arg-type]
    else:
        uvloop.run(main())  # type: ignore[arg-type]


def serve_host(
    modules: Sequence[str],
    *,
    broker: str,
    database: str,
    settings: HostSettings,
    launch: Launch,
) -> None:
    """The child: one host, until it is asked to stop or its parent is gone."""
    workflows = code.workflows_in(code.load(modules))
    registry = WorkflowRegistry([(cls, None) for cls in workflows])
    store = checked_store(database)
    pulse = PulseWriter.open(launch.pulse_path)

    async def main() -> None:
        async with AsyncExitStack() as stack:
            if is_embedded(broker):
                from dalsegno.broker.embedded import EmbeddedServer

                path = embedded_path(broker.partition(":")[2])
                await stack.enter_async_context(EmbeddedServer(path))
            host = Host(
                broker=open_broker(broker),
                store=store,
                code=registry,
                settings=settings,
                pulse=pulse,
                host_id=launch.host_id,
                parent_pid=launch.parent_pid,
                ready=lambda: print(f"ready: host {launch.host_id}", flush=True),
            )
            loop = asyncio.get_running_loop()
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, host.drain)
            await host.run()

    try:
        run_loop(main)
    finally:
        store.close()


def host_spec(
    modules: Sequence[str], *, broker: str, database: str, processes: int, flags: Sequence[str]
) -> ChildSpec:
    """How the parent starts a host: this program again, told about its life."""

    def command(launch: Launch) -> list[str]:
        return [
            sys.executable,
            "-m",
            "dalsegno.cli",
            "host",
            *modules,
            "--broker",
            broker,
            "--database",
            database,
            *flags,
            "--child",
            launch.host_id,
            launch.pulse_path,
            str(launch.parent_pid),
        ]

    return ChildSpec(name="host", command=command, processes=processes, is_host=True)


def worker_spec(modules: Sequence[str], *, broker: str, flags: Sequence[str]) -> ChildSpec:
    def command(_: Launch) -> list[str]:
        return [sys.executable, "-m", "dalsegno.cli", "worker", *modules, "--broker", broker, *flags]

    return ChildSpec(name="worker", command=command)


def supervise(specs: Sequence[ChildSpec], *, database: str) -> int:
    """The parent, until it is asked to stop; the exit code."""
    store: Store = checked_store(database)
    try:
        hash_seed = store.namespace().hash_seed

        def membership() -> Membership:
            return store.membership()

        return Parent(specs, membership=membership, hash_seed=hash_seed).run()
    finally:
        store.close()


def check_processes(processes: int, *, broker: str, database: str) -> None:
    if processes < 1:
        raise ConfigurationError(f"--processes is {processes}, but must be 1 or more")
    if processes > 1 and (is_embedded(broker) or database.startswith("sqlite")):
        raise ConfigurationError(
            "the embedded broker and SQLite serve one host process: say --processes 1, or use RabbitMQ and "
            "PostgreSQL"
        )


def serve_worker(
    modules: Sequence[str], *, broker: str, task_queue: str, concurrency: int, drain_seconds: float
) -> None:
    """A worker, until it is asked to stop; asked a second time it ends at once."""
    from dalsegno.workers import Worker

    activities = code.activities_in(code.load(modules))

    async def main() -> None:
        worker = Worker(
            broker,
            task_queue=task_queue,
            activities=activities,
            max_concurrent_activities=concurrency,
            drain_timeout=drain_seconds,
        )
        loop = asyncio.get_running_loop()
        stopping: list[asyncio.Task[None]] = []

        def stop() -> None:
            if stopping:
                sys.exit(1)
            stopping.append(loop.create_task(worker.shutdown()))

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop)
        print(f"ready: worker {worker.identity} on task queue {task_queue}", flush=True)
        await worker.run()

    run_loop(main)
