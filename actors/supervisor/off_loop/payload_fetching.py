"""The payload store, as turns wait for it: what user code will read is fetched before it runs, and what it has
made is put there before the turn is sealed. Everything here is on the host's loop, but for the store's
calls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from typing import Any

from dalsegno._log import get_logger
from dalsegno.activity_code.registry import Registry
from dalsegno.actors.supervisor.failing.fail_stop import Escaped
from dalsegno.actors.supervisor.off_loop.local_worker import LocalWorker
from dalsegno.actors.workflow_actor.instance import Instance
from dalsegno.actors.workflow_actor.interface.commands import Command
from dalsegno.actors.workflow_actor.interface.waiting import (
    KeepPieces,
    LocalWork,
    PiecesKept,
    Preparation,
    Ready,
    Unready,
)
from dalsegno.actors.workflow_actor.payloads_needed import payloads_needed
from dalsegno.data_converter import DataConverter
from dalsegno.interceptors.worker import WorkerInterceptor
from dalsegno.stored_payloads import StoredPayloads

log = get_logger("dalsegno.payload_store")


class PayloadFetching:
    """Implements surroundings.OffLoop; local activities are the `local_worker`'s, if there is one. `deliver`
    has something called on the host's loop by another thread; `now` is the database's time."""

    prepares = True

    def __init__(
        self,
        stored: StoredPayloads,
        local_worker: LocalWorker | None,
        *,
        deliver: Callable[[Callable[[], None]], object],
        now: Callable[[], int],
    ) -> None:
        self._stored = stored
        self._local_worker = local_worker
        self._deliver = deliver
        self._now = now
        self._under_way = 0
        self._puts: dict[int, list[Future[None]]] = {}
        """By the works that they are of."""
        stored.let_nobody_wait()

    def close(self) -> None:
        """Nobody is told anything any more that was not told before."""
        self._stored.let_wait()

    @property
    def is_at_work(self) -> bool:
        return self._under_way > 0

    def is_ready_for(self, command: Command, instance: Instance) -> bool:
        return not self._stored.lacks(payloads_needed(command, instance, now=self._now()))

    def prepare(self, command: Command, instance: Instance, done: Callable[[Preparation], None]) -> None:
        lacking = self._stored.lacks(payloads_needed(command, instance, now=self._now()))

        def fetched(error: BaseException | None) -> None:
            if error is not None:
                log.warning("payloads_not_fetched", workflow_id=instance.workflow_id, reason=str(error))
            done(Ready() if error is None else Unready(str(error)))

        self._when_all(list(map(self._stored.get_soon, lacking)), fetched)

    def work(self, work: LocalWork, done: Callable[[Command | PiecesKept], None]) -> None:
        if not isinstance(work, KeepPieces):
            if self._local_worker is not None:
                self._local_worker.work(work, done)
            return

        def kept(error: BaseException | None) -> None:
            del self._puts[id(work)]
            if error is not None:
                log.warning("payloads_not_stored", reason=str(error))
            done(PiecesKept(None if error is None else str(error)))

        puts = self._puts[id(work)] = [self._stored.put_soon(key, data) for key, data in work.pieces.items()]
        self._when_all(puts, kept)

    def give_up(self, work: LocalWork) -> None:
        """What was put in vain nobody refers to: it is swept some day. What has not begun never does, so that
        it does not pile up before a store that hangs."""
        if isinstance(work, KeepPieces):
            for put in self._puts.get(id(work), ()):
                put.cancel()
        elif self._local_worker is not None:
            self._local_worker.give_up(work)

    def _when_all(self, futures: Sequence[Future[Any]], then: Callable[[BaseException | None], None]) -> None:
        """`then` is told the first error, on the loop, when all are done; never before this returns."""
        self._under_way += 1
        left = len(futures)

        def over() -> None:
            self._under_way -= 1
            then(next((error for future in futures if (error := _error_of(future)) is not None), None))

        def one_done() -> None:
            nonlocal left
            left -= 1
            if left <= 0:
                over()

        def deliver(_: object) -> None:
            with suppress(RuntimeError):  # the host's loop is closed: nobody waits any more
                self._deliver(one_done)

        if not futures:
            deliver(None)
        for future in futures:
            future.add_done_callback(deliver)


def _error_of(future: Future[Any]) -> BaseException | None:
    return CancelledError("given up") if future.cancelled() else future.exception()


def hands(
    activities: Registry | None,
    converter: DataConverter,
    *,
    later: Callable[[Callable[[], None]], object],
    deliver: Callable[[Callable[[], None]], object],
    now: Callable[[], int],
    escaped: Escaped,
    interceptors: Sequence[WorkerInterceptor] = (),
) -> tuple[LocalWorker | None, PayloadFetching | None]:
    """What a host needs of these: a worker for local activities, if it has any, and what fetches payloads, if
    there is a store. See LocalWorker."""
    local_worker = None
    if activities is not None:
        local_worker = LocalWorker(
            activities,
            converter=converter,
            later=later,
            deliver=deliver,
            now=now,
            escaped=escaped,
            interceptors=interceptors,
        )
    if converter._stored is None:
        return local_worker, None
    return local_worker, PayloadFetching(converter._stored, local_worker, deliver=deliver, now=now)
