"""The middle of the server: sessions on one side, the file on the other, the model between them.

    operations ─> model ─> steps ─> journal (thread) ─> committed ─> model ─> deliveries, outcomes ─> sessions

Everything but the journal's thread runs on the owner's loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from itertools import count, groupby
from operator import itemgetter

from dalsegno._log import get_logger
from dalsegno.broker.embedded.catalog import Catalog
from dalsegno.broker.embedded.journal import Job, JournalListener, WritesSteps
from dalsegno.broker.embedded.model import Model
from dalsegno.broker.embedded.peer import Peer
from dalsegno.broker.embedded.queue_state import QueueState
from dalsegno.broker.embedded.ready_line import Item, PageRequest
from dalsegno.broker.embedded.steps import Barrier, Burial, Publication, Write
from dalsegno.broker.embedded.store import StoredTopology

log = get_logger("dalsegno.broker.embedded")

LAZY_SECONDS = 0.01
"""How long acknowledgements wait for a publish to share its sync. A crash within it means a redelivery."""
BACKLOG_BYTES_HIGH = 64 * 1024 * 1024
BACKLOG_BYTES_LOW = BACKLOG_BYTES_HIGH // 2
"""Of messages on their way to the file. Above the first, other processes are not read until the second."""
READ_RETRY_SECONDS = 1.0


class Switchboard:
    """`open_journal` makes what writes the steps, and tells this of them. `on_crash` is called when the
    writer thread has ended by a bug: nothing can be served any more."""

    def __init__(
        self, open_journal: Callable[[JournalListener], WritesSteps], on_crash: Callable[[], None]
    ) -> None:
        self.model = Model(Catalog())
        self.is_open = False
        self._on_crash = on_crash
        self._loop = asyncio.get_running_loop()
        self._journal = open_journal(self)
        self._peers: dict[int, Peer] = {}
        self._session_numbers = count(1)
        self._lazy: asyncio.TimerHandle | None = None
        self._backlog_bytes = 0
        self._is_paused = False

    async def start(self) -> None:
        """Raises ConfigurationError when the file cannot be used."""
        _restore(self.model.catalog, await self._journal.open())
        self.is_open = True

    async def close(self) -> None:
        """Write what has come in, then end every session. To be called once after every `start`."""
        self.is_open = False
        self._submit()
        await self._journal.close()
        self._end_sessions("The embedded broker was stopped.")

    def open_session(self, *, is_local: bool) -> Peer:
        peer = Peer(next(self._session_numbers), self, is_local=is_local)
        self._peers[peer.session] = peer
        return peer

    def forget(self, peer: Peer) -> None:
        self._peers.pop(peer.session, None)

    def run_on_file(self, job: Job) -> None:
        """Call `job` on the writer thread, behind all that was submitted."""
        self._journal.run(job)

    def when_durable(self, done: Callable[[], None]) -> None:
        self.model.output.steps.append(Barrier(done))
        self.model.output.is_urgent = True

    def settle(self) -> None:
        output = self.model.output
        if output.deliveries:
            deliveries, output.deliveries = output.deliveries, []
            for handout in deliveries:
                peer = self._peers.get(handout[0].session)
                if peer is not None:
                    peer.deliver(handout)
        if output.outcomes:
            self._tell_outcomes()
        for session, channel, reason in output.closed:
            peer = self._peers.get(session)
            if peer is not None:
                peer.channel_closed(channel, reason)
        output.closed.clear()
        for queue, request in output.pages:
            self._load_page(queue, request)
        output.pages.clear()
        if output.steps:
            self._schedule()

    # -- answers of the journal --------------------------------------------------------------------

    def committed(self, publications: Sequence[Publication | Burial], *, bytes_written: int) -> None:
        self._lower_backlog(bytes_written)
        self.model.committed(publications)
        self._settle_and_flush()

    def refused(self, publications: Sequence[Publication | Burial], *, bytes_refused: int) -> None:
        self._lower_backlog(bytes_refused)
        self.model.refused(publications)
        self._settle_and_flush()

    def recovered(self) -> None:
        log.info("embedded_broker_recovered")
        self.model.retry_stranded()
        self.settle()

    def crashed(self, error: BaseException) -> None:
        log.error("embedded_broker_crashed", exc_info=error)
        self.is_open = False
        self._on_crash()
        self._end_sessions("The embedded broker stopped because of an internal error; its log says more.")

    # -- inside ------------------------------------------------------------------------------------

    def _settle_and_flush(self) -> None:
        """The loop called, not a client: what there is to tell need not wait for the loop's next turn."""
        self.settle()
        for peer in list(self._peers.values()):
            peer.flush()

    def _tell_outcomes(self) -> None:
        outcomes, self.model.output.outcomes = self.model.output.outcomes, []
        for (publisher, outcome), group in groupby(outcomes, key=itemgetter(0, 2)):
            peer = self._peers.get(publisher.session)
            if peer is not None:
                peer.tell_outcomes(publisher.channel, outcome, [tag for _, tag, _ in group])

    def _schedule(self) -> None:
        if self.model.output.is_urgent:
            self._submit()
        elif self._lazy is None:
            self._lazy = self._loop.call_later(LAZY_SECONDS, self._submit)

    def _submit(self) -> None:
        if self._lazy is not None:
            self._lazy.cancel()
            self._lazy = None
        output = self.model.output
        steps, output.steps, output.is_urgent = output.steps, [], False
        if not steps:
            return
        self._backlog_bytes += sum(step.insert_bytes for step in steps if isinstance(step, Write))
        self._journal.submit(steps)
        if self._backlog_bytes > BACKLOG_BYTES_HIGH:
            self._is_paused = True
            for peer in self._peers.values():
                peer.pause()

    def _lower_backlog(self, written: int) -> None:
        self._backlog_bytes -= written
        if self._is_paused and self._backlog_bytes < BACKLOG_BYTES_LOW:
            self._is_paused = False
            for peer in self._peers.values():
                peer.resume()

    def _load_page(self, queue: QueueState, request: PageRequest) -> None:
        if queue.number is not None:
            self._journal.load_page(queue.number, request, partial(self._take_page, queue, request))

    def _take_page(self, queue: QueueState, request: PageRequest, page: list[Item] | None) -> None:
        if page is None:
            self._loop.call_later(READ_RETRY_SECONDS, self._retry_page, queue, request)
            return
        if not self.model.page_loaded(queue, request, page):
            log.error("embedded_messages_missing", queue=queue.name)
        self._settle_and_flush()

    def _retry_page(self, queue: QueueState, request: PageRequest) -> None:
        self.model.page_failed(queue, request)
        self.settle()

    def _end_sessions(self, reason: str) -> None:
        for peer in list(self._peers.values()):
            peer.end(reason)


def _restore(catalog: Catalog, stored: StoredTopology) -> None:
    queues = [
        QueueState(
            queue.definition,
            number=queue.number,
            stored=queue.stored,
            last_position=queue.last_position,
            handed_out=queue.handed_out,
        )
        for queue in stored.queues
    ]
    catalog.restore(stored.exchanges, queues, stored.bindings)
