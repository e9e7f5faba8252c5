"""One run of a worker: everything it is made of, wired together, from the first session to the end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

from dalsegno._log import get_logger
from dalsegno.activity_code.abandoned import Abandoned
from dalsegno.activity_code.processes.pool import ProcessPool
from dalsegno.activity_code.registry import Registry
from dalsegno.activity_code.threads import Threads
from dalsegno.activity_code.worker_shutdown import WorkerShutdown
from dalsegno.broker.port import Broker, Delivery, OnClosed, Queue, Session, Topology
from dalsegno.broker.topology import declare_task_queue, hear_of_levels, worker_queue
from dalsegno.client import Client
from dalsegno.errors import BrokerUnavailableError, TopologyError
from dalsegno.loop_clock import LoopClock, timeout
from dalsegno.observer import contained
from dalsegno.payload import Payload
from dalsegno.workers.acknowledgements import Acknowledgements
from dalsegno.workers.bench import Bench
from dalsegno.workers.dispatcher import TaskDispatcher
from dalsegno.workers.intakes import Intakes
from dalsegno.workers.outbox import WorkerOutbox
from dalsegno.workers.places import CodePlaces
from dalsegno.workers.session_keeper import SessionKeeper
from dalsegno.workers.settings import WorkerSettings

log = get_logger("dalsegno.worker")

DIRECTIVES_PREFETCH = 200
SAME_PROCESS = "~"
"""What follows it in the name of a worker's queue is no part of the process's name, by the protocol."""

LEVELS_HINT = (
    "a level of the task queue that comes into use is not consumed before the next session: let the worker's "
    "user declare, read and bind to the exchange dalsegno.levels (docs/operating.md)"
)


class WorkerRun:
    """`ready` is set when the worker consumes its task queue for the first time. `beginning` is what its
    processes are told, if there is an activity for them."""

    def __init__(
        self,
        broker: Broker,
        registry: Registry,
        settings: WorkerSettings,
        *,
        identity: str,
        ready: asyncio.Event,
        beginning: bytes | None = None,
    ) -> None:
        loop = asyncio.get_running_loop()
        timing, clock = settings.timing, settings.clock or loop
        slots, spare = settings.max_concurrent_activities, settings.spare
        self._loop = loop
        self._clock: LoopClock = clock
        self._settings = settings
        self._identity = identity
        self._ready = ready
        self._outcomes = WorkerOutbox("outcomes", loop, clock, timing)
        self._dead_letters = WorkerOutbox("dead_letters", loop, clock, timing)
        self._threads: Threads[Payload] = Threads(settings.sync_threads, loop)
        self._processes = (
            None
            if beginning is None
            else ProcessPool(beginning, settings.processes, grace_seconds=timing.cancel_grace)
        )
        self.abandoned = Abandoned()
        self._shutdown = WorkerShutdown()
        self._client: Client | None = None
        self._broker = broker
        self._bench = Bench(
            loop=loop,
            clock=clock,
            registry=registry,
            converter=settings.data_converter,
            observer=contained(settings.observer),
            outcomes=self._outcomes,
            threads=self._threads,
            processes=self._processes,
            abandoned=self.abandoned,
            shutdown=self._shutdown,
            client=self._client_of_activities,
            timing=timing,
            interceptors=settings.interceptors,
            worker_queue=worker_queue(identity),
            loop_ends=self._loop_ends,
        )
        self._dispatcher = TaskDispatcher(
            self._bench,
            self._dead_letters,
            CodePlaces(registry, threads=settings.sync_threads, processes=settings.processes),
            slots=slots,
            attempts_max=2 * (slots + spare),
            unanswered_max=settings.waiting_room,
            bytes_max=settings.held_bytes,
        )
        self._intakes = Intakes(
            settings.task_queue,
            self._dispatcher,
            slots=slots,
            spare=spare,
            loop=loop,
            clock=clock,
            timing=timing,
        )
        self._keeper = SessionKeeper(broker, self, name=identity, timing=timing, clock=clock)
        self._session_tasks: list[asyncio.Task[None]] = []
        self._worker_queue_number = 0
        self._stopped = asyncio.Event()
        self._until_stopped: asyncio.Task[bool] | None = None

    def stop(self) -> None:
        """Begin nothing from now on, and let `run` drain. Twice is ordinary."""
        self._shutdown.ask()
        if self._processes is not None:
            self._processes.worker_ends()
        self._dispatcher.stop_beginning()
        self._intakes.stop()
        self._stopped.set()

    async def run(self) -> None:
        """Work until `stop` or until this task is cancelled, then drain. Raises as SessionKeeper.run."""
        keeper = self._loop.create_task(self._keeper.run())
        self._until_stopped = stop = self._loop.create_task(self._stopped.wait())
        try:
            try:
                await asyncio.wait({keeper, stop}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                if not keeper.done():
                    self.stop()
                    await self._drain()
            if keeper.done():
                keeper.result()
        finally:
            stop.cancel()
            keeper.cancel()
            self._dispatcher.give_up()
            await asyncio.wait({keeper})
            self._threads.close()
            if self._processes is not None:
                await self._processes.close()
            if self._client is not None:
                await self._client.close()

    @property
    def under_way(self) -> int:
        """The attempts that are here."""
        return self._dispatcher.under_way

    def _client_of_activities(self) -> Client:
        """It connects when it is first used."""
        if self._client is None:
            settings = self._settings
            self._client = Client(self._broker, data_converter=settings.data_converter, clock=settings.clock)
        return self._client

    def _loop_ends(self) -> bool:
        """Nobody but `run` has this task, and `run` cancels it when no attempt is left."""
        task = self._until_stopped
        return task is not None and (task.cancelling() > 0 or task.cancelled())

    # --- the sessions' tenant ----------------------------------------------------------------------------

    async def set_up(self, session: Session, on_closed: OnClosed) -> None:
        await session.declare(declare_task_queue(self._settings.task_queue))
        await self._listen(session, on_closed)
        for outbox in (self._outcomes, self._dead_letters):
            await outbox.open(session)
            self._session_tasks.append(self._loop.create_task(outbox.keep_open(session)))
        self._dispatcher.on_session()
        await self._intakes.open(session, on_closed)
        self._ready.set()

    async def watch(self, session: Session) -> str:
        return await self._intakes.watch(session)

    async def tear_down(self) -> None:
        for task in self._session_tasks:
            task.cancel()
        self._session_tasks = []
        self._intakes.close()
        self._outcomes.close()
        self._dead_letters.close()
        self._dispatcher.on_session_lost()

    async def _listen(self, session: Session, on_closed: OnClosed) -> None:
        """Open this worker's own queue.

        It keeps its name over sessions, because the engine grants an early task to whoever asked first, by this
        name. Until the broker has noticed that an old connection is dead, though, the queue is locked for us;
        then it is better to work under another name than to wait.
        """
        suffix = f"{SAME_PROCESS}{self._worker_queue_number}" if self._worker_queue_number else ""
        name = worker_queue(self._identity + suffix)
        try:
            await session.declare(Topology(queues=[Queue(name, durable=False)]))
        except BrokerUnavailableError:
            if session.is_open:
                self._worker_queue_number += 1
            raise
        self._bench.worker_queue = name
        acknowledgements = Acknowledgements(self._loop)

        def on_delivery(delivery: Delivery) -> None:
            self._dispatcher.on_directive(delivery, acknowledgements)

        consumer = await session.open_consumer(
            name, prefetch=DIRECTIVES_PREFETCH, on_delivery=on_delivery, on_closed=on_closed
        )
        acknowledgements.bind(consumer)
        try:
            await session.declare(hear_of_levels(self._settings.task_queue, name))
        except TopologyError as error:
            log.warning("levels_not_heard", reason=str(error), hint=LEVELS_HINT)

    # --- the end -----------------------------------------------------------------------------------------

    async def _drain(self) -> None:
        """Finish what runs, for as long as the settings allow; then cancel it; then leave it."""
        grace = self._settings.timing.cancel_grace
        if not await self._within(self._settings.drain_seconds, self._dispatcher.wait_until_none_left()):
            log.warning("drain_timeout", cancelled_activities=self._dispatcher.shut_down())
            await self._within(grace, self._dispatcher.wait_until_none_left())
            self._dispatcher.give_up()
        for outbox in (self._outcomes, self._dead_letters):
            if not await self._within(grace, outbox.wait_until_empty()):
                log.warning("outcomes_unconfirmed", count=outbox.unconfirmed)

    async def _within(self, seconds: float, condition: Awaitable[None]) -> bool:
        """Whether it came about in time."""
        try:
            async with timeout(self._clock, seconds):
                await condition
        except TimeoutError:
            return False
        return True
