"""The host's own worker, for local activities. Everything here is on the host's loop, but for the bench."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Hashable, Sequence
from functools import partial

from dalsegno.activity_code.registry import Registry
from dalsegno.actors.supervisor.failing.fail_stop import Escaped, end_process, watch_loop
from dalsegno.actors.supervisor.off_loop.handover import Handover
from dalsegno.actors.supervisor.off_loop.local_bench import LocalBench
from dalsegno.actors.supervisor.off_loop.local_run import LocalRun
from dalsegno.actors.workflow_actor.interface.commands import Command
from dalsegno.actors.workflow_actor.interface.waiting import LocalWork, Preparation, Ready
from dalsegno.actors.workflow_actor.local_activities.work import RunLocalActivity, StopAll, StopLocalActivity
from dalsegno.data_converter import DataConverter
from dalsegno.interceptors.worker import WorkerInterceptor

PLACES = 100
"""Local activities of a host that run at once."""

Done = Callable[[Command], None]


class LocalWorker:
    """Implements surroundings.OffLoop. `later` has something called on the host's loop by that, `deliver` by
    another; `now` is the database's time; `escaped` is told of defects of our own. Its thread begins with the
    first activity."""

    prepares = False

    def __init__(
        self,
        registry: Registry,
        *,
        converter: DataConverter,
        later: Callable[[Callable[[], None]], object],
        deliver: Callable[[Callable[[], None]], object],
        now: Callable[[], int],
        escaped: Escaped = end_process,
        places: int = PLACES,
        interceptors: Sequence[WorkerInterceptor] = (),
    ) -> None:
        self._now = now
        self._runs: dict[Hashable, tuple[LocalRun, Done]] = {}
        self._loop = asyncio.new_event_loop()
        watch_loop(self._loop, escaped)
        outcomes: Handover[tuple[LocalRun, Command]] = Handover(self._loop.call_soon, deliver, self._ended)
        self._bench = LocalBench(self._loop, registry, converter, places, outcomes.put, interceptors)
        self._orders: Handover[Callable[[], None]] = Handover(
            later, self._loop.call_soon_threadsafe, lambda order: order()
        )
        self._thread: threading.Thread | None = None

    def leave_pauses(self) -> None:
        """To workflows, whose time may be another: no retry waits here, however short its pause."""
        self._bench.pauses_here = False

    @property
    def is_at_work(self) -> bool:
        """Some run, or what came of them is on its way."""
        return bool(self._runs)

    def is_ready_for(self, command: object, instance: object) -> bool:
        return True

    def prepare(self, command: object, instance: object, done: Callable[[Preparation], None]) -> None:
        """Nothing has to be."""
        done(Ready())

    def work(self, work: LocalWork, done: Done) -> None:
        match work:
            case RunLocalActivity():
                self._run(work, done)
            case StopLocalActivity(run_id=run_id, number=number, reason=reason):
                self._stop((run_id, number), reason)
            case StopAll(run_id=run_id, reason=reason):
                for run, _ in list(self._runs.values()):
                    if run.work.info.run_id == run_id and run.work.spec.cancellation_type != "abandon":
                        self._stop(run.work.key, reason)

    def _run(self, work: RunLocalActivity, done: Done) -> None:
        known = self._runs.get(work.key)
        if known is not None and known[0].work.token == work.token:
            self._runs[work.key] = known[0], done
            return
        if known is not None:
            self._orders.put(known[0].give_up)
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name="dalsegno-local", daemon=True)
            self._thread.start()
        run = LocalRun(work, self._bench, self._now())
        self._runs[work.key] = run, done
        self._orders.put(run.start)

    def _stop(self, key: Hashable, reason: str) -> None:
        known = self._runs.get(key)
        if known is not None:
            self._orders.put(partial(known[0].stop, reason))

    def give_up(self, work: LocalWork) -> None:
        known = self._runs.get(work.key)
        if known is not None and isinstance(work, RunLocalActivity) and known[0].work.token == work.token:
            del self._runs[work.key]
            self._orders.put(known[0].give_up)

    def _ended(self, ended: tuple[LocalRun, Command]) -> None:
        run, outcome = ended
        known = self._runs.get(run.work.key)
        if known is not None and known[0] is run:
            del self._runs[run.work.key]
            known[1](outcome)

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        finally:
            self._loop.close()

    def close(self) -> bool:
        """Stop all. False if there is code that has not stopped when it was asked: Python would wait for its
        threads when the process ends."""
        self._runs.clear()
        if self._thread is None:
            self._loop.close()
            return True
        self._orders.put_at_once(self._end)
        self._thread.join(CLOSE_SECONDS)
        return not self._thread.is_alive() and not self._bench.abandoned.still_running()

    def _end(self) -> None:
        self._bench.close()
        self._stop_when_over(self._loop.time() + CLOSE_SECONDS / 2)

    def _stop_when_over(self, latest: float) -> None:
        """As soon as what was cancelled is over."""
        if self._bench.abandoned.still_running() and self._loop.time() < latest:
            self._loop.call_later(CLOSE_LOOK_SECONDS, self._stop_when_over, latest)
        else:
            self._loop.call_soon(self._loop.stop)


CLOSE_SECONDS = 1.0
"""For code that is cancelled to come to its end."""
CLOSE_LOOK_SECONDS = 0.01
