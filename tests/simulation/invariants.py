"""The invariants (reliability.md, part 3), looked at wherever something becomes durable, is published, or is
acknowledged, and once more at the end."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from typing import TYPE_CHECKING

from dalsegno.actors.supervisor.deliveries.channel import DeliveryOrigin
from dalsegno.actors.workflow_actor.activities.sends import CancelTaskEffect, GrantEffect, TaskEffect
from dalsegno.actors.workflow_actor.children.sends import StartChildEffect
from dalsegno.actors.workflow_actor.interface.cause import Together
from dalsegno.actors.workflow_actor.interface.effects import Effect, EffectID
from dalsegno.actors.workflow_actor.run.events import EffectsDropped, Record, RunStarted
from dalsegno.actors.workflow_actor.run.state import WorkflowState
from dalsegno.actors.workflow_actor.stored.formats import format_of
from dalsegno.actors.workflow_actor.stored.loading import load_state
from dalsegno.broker import topology
from dalsegno.broker.message_bytes import decode_message
from dalsegno.broker.port import Delivery, Message, Outcome, Outgoing
from dalsegno.broker.protocol import messages as wire
from dalsegno.broker.protocol.codec import decode
from dalsegno.broker.protocol.ids import effect_message_id
from dalsegno.errors import InvalidMessageError
from dalsegno.persistence.attributes_port import INCIDENTS
from dalsegno.persistence.port import Aside, InstanceWrite, JournalRow, LeaseRow, SnapshotRow
from dalsegno.search_attributes import AttributeValue, SearchAttributeIndexedValueType
from tests.partition_ids import nth
from tests.simulation.at_the_end import difference
from tests.simulation.history import History
from tests.simulation.payloads import FORGED
from tests.simulation.queues import Stored
from tests.simulation.violation import Violation
from tests.workflow_actor.stored.two_releases import NEWER

if TYPE_CHECKING:
    from tests.simulation.host import Host
    from tests.simulation.world import Simulation

CLIENT_COMMANDS = (
    wire.StartWorkflow,
    wire.SignalWorkflow,
    wire.CancelWorkflow,
    wire.TerminateWorkflow,
)
ONCE = (
    "workflow.signal ",
    "workflow.signal_with_start ",
    "workflow.cancel ",
    "workflow.update ",
    "workflow.update_with_start ",
    "workflow.quarantine ",
    "activity.completed ",
    "workflow.answered ",
    "workflow.ended ",
)
UPDATES = ("workflow.update", "workflow.update_with_start")
DURABLE = ("activity.task", "activity.grant", "activity.cancel")
FOLDS_ONE_IN = 8
"""Looking whether what is stored folds to what is live costs a load; so many commits share one."""


class Invariants:
    """The broker's tap and the store's audit."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self.history: History = simulation.history
        self.unreadable: list[str] = []
        self.purged_tokens: set[bytes] = set()
        """Tokens of tasks that somebody threw away."""
        self._epochs: dict[int, int] = {}
        self._owners: dict[tuple[int, int], str] = {}
        self._bodies: dict[str, bytes] = {}
        self._settled: set[str] = set()
        self._unsendable: set[str] = set()
        self._effects: dict[tuple[str, int], list[tuple[str, Effect]]] = {}
        self._forwarded: set[str] = set()
        self._dead: set[str] = set()
        self._ended_unread: dict[str, int] = {}
        """Runs whose state owes nothing to what was before that row, as somebody has ended them unread."""
        self._fields: dict[tuple[str, int], int] = {}
        """Of the last snapshot of a run, by run and format."""
        self._commits = 0
        self.removed = 0
        """Messages to workflows that hosts are through with."""

    # --- what becomes durable (the store's audit) ------------------------------------------------------------

    def stale_epoch(self, write: InstanceWrite, lease: LeaseRow) -> None:
        raise Violation("I3", f"{write.workflow_id} is written in an old epoch of {lease}")

    def written(self, write: InstanceWrite) -> None:
        if write.forced:
            first = min((row.sequence for row in write.journal), default=write.sequence + 1)
            self._ended_unread[write.run_id] = first
        self._may_be_written(write)
        for row in write.journal:
            self._placed(write, row)
            record = self.history.add(row)
            self._simulation.scheduler.trace(
                "store", f"{write.workflow_id} {row.sequence}: {row.cause} (by {row.host}, epoch {row.epoch})"
            )
            self._forgotten(row, record)
            rows = self.history.rows_of_cause[row.cause]
            if row.cause.startswith(ONCE) and len(rows) > 1 and not _follows_by_itself(record):
                raise Violation("I8", f"{row.cause} is applied twice: {rows}")
            if FORGED.encode() in row.events or b"TooLate" in row.events:
                raise Violation("I10", f"{row.cause} is no answer of the current attempt, and was taken")
        self._shown_as_it_is(write)

    def _shown_as_it_is(self, write: InstanceWrite) -> None:
        """The rows by which lists find a run say what its journal does, at any time."""
        for run_id in {write.run_id, *(row.run_id for row in write.journal)}:
            must, run = self.history.attributes.of(run_id), self.history.runs[run_id]
            is_over = run.closed or run_id in self._ended_unread
            if not is_over and (count := len(run.paused)):
                must = {**must, INCIDENTS: AttributeValue(SearchAttributeIndexedValueType.INT, count)}
            found = self._simulation.store.attributes[run_id]
            if found != must:
                raise Violation(
                    "attributes", f"{write.workflow_id} {run_id} is found by {found}, and has {must}"
                )

    def _may_be_written(self, write: InstanceWrite) -> None:
        """In this format; and of what is written back nothing is lost."""
        store, snapshot = self._simulation.store, write.snapshot
        newest = max((format_of("record", row.events) for row in write.journal), default=1)
        if snapshot is not None:
            newest = max(newest, snapshot.format)
            place = snapshot.run_id, snapshot.format
            fields, before = _fields(snapshot), self._fields.get(place, 0)
            if fields < before:
                raise Violation("fields", f"{write.workflow_id}: a field of its state is lost")
            self._fields[place] = fields
        if newest > store.format_written:
            raise Violation("format", f"{write.workflow_id} is written in format {newest}, which is too early")
        if store.refuses_older:
            self.may_write(newest)

    def may_write(self, format_: int) -> None:
        """Every host that lives reads what may be written."""
        store = self._simulation.store
        blind = [host for host in store.live_hosts() if store.formats_read[host] < format_]
        if blind and not store.was_forced:
            raise Violation("format", f"format {format_} may be written, but {blind} do not read it")

    def set_aside(self, aside: Aside, host_id: str) -> None:
        """Only who can read what is stored may call it broken, and keep its mail."""
        reads = self._simulation.store.formats_read[host_id]
        for workflow_id in {row.workflow_id for row in (*aside.halts, *aside.mail)}:
            row = self._simulation.store.load(workflow_id).instance
            if row is None or self._simulation.store.format_written <= reads:
                continue
            newest = max((format_of("record", stored.events) for stored in row.journal), default=1)
            if max(newest, 1 if row.snapshot is None else row.snapshot.format) > reads:
                raise Violation("newer", f"{host_id} reads format {reads}, and calls {workflow_id} broken")

    def _placed(self, write: InstanceWrite, row: JournalRow) -> None:
        if row.epoch < self._epochs.get(row.partition, 0):
            raise Violation("I3", f"partition {row.partition.number} goes back to epoch {row.epoch}")
        self._epochs[row.partition] = row.epoch
        owner = self._owners.setdefault((row.partition, row.epoch), row.host)
        if owner != row.host:
            raise Violation(
                "I3", f"{owner} and {row.host} own partition {row.partition.number} in epoch {row.epoch}"
            )
        if topology.slot_of(write.workflow_id) % self._simulation.partitions != row.partition.number:
            raise Violation("I5", f"{write.workflow_id} is written by partition {row.partition.number}")
        ahead = row.time - self._simulation.store.latest
        if ahead > 0:
            raise Violation("I13", f"{write.workflow_id} lives {ahead} µs ahead of the database")

    def _forgotten(self, row: JournalRow, record: Record) -> None:
        """Only what was seen confirmed may be forgotten."""
        forgotten = [(row.run_id, effect) for effect in record.forgets]
        for event in record.events:
            if isinstance(event, EffectsDropped):
                forgotten.extend((event.run_id, effect) for effect in event.effects)
        for run_id, effect in forgotten:
            message_id = effect_message_id(run_id, *effect)
            if message_id not in self._settled and message_id not in self._unsendable:
                raise Violation("I7", f"effect {effect} of run {run_id} is forgotten, but was never confirmed")

    # --- hosts -----------------------------------------------------------------------------------------------

    def after_commit(self, host: Host) -> None:
        """Which effects each row makes: its cause must wait for them. And what is stored folds to what is live
        (I16)."""
        committing = host.engine.open_rounds.writing
        assert committing is not None
        for workflow_id, entry in committing.entries.items():
            written = {row.sequence: row.run_id for row in entry.journal if self.history.has(row)}
            for leaving in entry.leaving:
                if leaving.effect_id is not None and written.get(leaving.effect_id[0]) == leaving.run_id:
                    self._note_effect(leaving.run_id, leaving.effect_id, leaving.effect)
                    state = entry.actor.instance.state
                    if (
                        leaving.cause.origin is None
                        and state is not None
                        and leaving.effect_id in state.outstanding
                    ):
                        self._must_wake_up(workflow_id, leaving.cause.name)
            self._commits += 1
            if self._commits % FOLDS_ONE_IN or not written:
                continue
            live = entry.actor.instance.state
            stored = self.stored_state(workflow_id)
            if live is not None and stored != live:
                raise Violation("I16", f"{workflow_id}: live and stored differ in {difference(live, stored)}")

    def _must_wake_up(self, workflow_id: str, cause: str) -> None:
        """No message holds what this cause made: the instance itself must send it again (I11)."""
        row = self._simulation.store.instances[workflow_id]
        time = self.history.runs[row.run_id].rows[-1].time
        if row.wake_at is None or row.wake_at > time:
            raise Violation("I11", f"{cause} of {workflow_id} made an effect that nothing will send again")

    def _note_effect(self, run_id: str, effect_id: EffectID, effect: Effect) -> None:
        message_id = effect_message_id(run_id, *effect_id)
        self._effects.setdefault((run_id, effect_id[0]), []).append((message_id, effect))

    @property
    def ended_unread(self) -> set[str]:
        """Run IDs."""
        return set(self._ended_unread)

    def is_dead(self, message_id: str) -> bool:
        """A dead letter."""
        return message_id in self._dead

    def stored_state(self, workflow_id: str, *, from_the_first: bool = False) -> WorkflowState | None:
        """From the newest snapshot and the journal behind it; or from every row there ever was."""
        row = self._simulation.store.load(workflow_id).instance
        if row is None:
            return None
        snapshot = None if from_the_first else row.snapshot
        journal = self.history.runs[row.run_id].rows if from_the_first else row.journal
        return load_state(
            workflow_id,
            row.run_id,
            None
            if snapshot is None
            else (snapshot.sequence, snapshot.format, snapshot.checksum, snapshot.body),
            [(stored.run_id, stored.sequence, stored.time, stored.events) for stored in journal],
            NEWER,
        )

    # --- the broker's tap ------------------------------------------------------------------------------------

    def arrived(self, sender: str, outgoing: Outgoing) -> None:
        if sender.startswith("host"):
            self._published(outgoing)

    def _published(self, outgoing: Outgoing) -> None:
        """Nothing leaves before it is durable (I7); the same ID is the same message (I9)."""
        message = outgoing.message
        if message.type == wire.Marker.TYPE or (message.type or "").startswith("host."):
            return
        if outgoing.exchange == topology.COMMANDS_EXCHANGE or outgoing.exchange == topology.RESULTS_EXCHANGE:
            self._forwarded.add(message.message_id or "")
            return
        if outgoing.exchange == topology.DEAD_EXCHANGE:
            self._buried(message)
            return
        body = decode(message)
        message_id = message.message_id or ""
        self._must_be_durable(body)
        is_durable = message.type in DURABLE or (isinstance(body, wire.Reply) and body.kind == "result")
        if is_durable and self._bodies.setdefault(message_id, message.body) != message.body:
            raise Violation("I9", f"{message.type} {message_id} is published with two bodies")

    def _buried(self, letter: Message) -> None:
        """What is a dead letter was not applied (I8)."""
        message_id = str(letter.headers["x-dalsegno-message-id"])
        self._dead.add(message_id)
        workflow_id = message_id.partition("/")[0]
        row = self._simulation.store.seen.get(workflow_id, {}).get((letter.type or "", message_id))
        if row is not None and not row.answer:
            raise Violation("I8", f"{message_id} was applied, and is a dead letter, too")

    def _must_be_durable(self, body: wire.WireMessage) -> None:
        history = self.history
        match body:
            case wire.ActivityTask() if body.token not in history.tokens:
                raise Violation("I7", f"the task {body.activity_id} of {body.workflow_id} leaves too early")
            case wire.ActivityGrant(granted=True):
                run = history.runs.get(body.run_id)
                tried = None if run is None else run.by_id.get(body.activity_id)
                if tried is None or not (tried.began or tried.attempt > body.attempt):
                    raise Violation("I7", f"the grant for {body.activity_id} leaves too early")
            case wire.Reply(update_id=str() as update_id, update_stage=str() as stage, error=None):
                workflow_id = body.workflow_id or ""
                come = history.updates.has_come_to(workflow_id, update_id, stage)
                if not come and not (stage == "admitted" and self._update_is_kept(workflow_id, update_id)):
                    raise Violation("I7", f"{update_id} of {body.workflow_id} is told as {stage} too early")
            case wire.Reply(kind="result", error=None) if not history.runs[body.run_id or ""].closed:
                raise Violation("I7", f"the result of {body.workflow_id} leaves too early")
            case wire.Reply(kind="accepted", error=None) if body.run_id not in self._simulation.store.runs:
                raise Violation("I7", f"the start of {body.workflow_id} is answered too early")

    def settled(self, outgoing: Outgoing, outcome: Outcome) -> None:
        if outcome is Outcome.CONFIRMED or (
            outcome is Outcome.RETURNED and outgoing.message.type != "activity.task"
        ):
            self._settled.add(outgoing.message.message_id or "")

    def unsendable(self, message_id: str) -> None:
        self._unsendable.add(message_id)

    def may_be_disturbed(self, sender: str) -> bool:
        host = self._simulation.hosts.get(sender)
        return host is None or not host.engine.outbox._departures.line_up

    def purged(self, queue: str, messages: Iterable[Message]) -> None:
        for message in messages:
            task = decode(message)
            if isinstance(task, wire.ActivityTask):
                self.purged_tokens.add(task.token)

    def acknowledged(self, process: str, queue: str, stored: Stored, given: Delivery) -> None:
        if not queue.startswith("dalsegno.partition."):
            return
        message = stored.outgoing.message
        message_id = message.message_id or ""
        if message.type == wire.Marker.TYPE:
            return
        self._simulation.scheduler.trace(process, f"acknowledges {message.type} {message_id}")
        self.removed += 1
        self._nothing_is_on_its_way_for(given, process)
        if message_id in self._dead:
            return
        try:
            body = decode(message)
        except InvalidMessageError:
            raise Violation("I21", f"{message_id}, which nobody can read, is removed without a trace") from None
        workflow_id = getattr(body, "workflow_id", None)
        if workflow_id is None:
            return
        home = topology.slot_of(workflow_id) % self._simulation.partitions
        if queue != topology.partition_queue(nth(home)):
            if message_id not in self._forwarded:
                raise Violation("I23", f"{body.TYPE} {message_id} came to {queue}, and was not forwarded")
        elif self._is_kept(workflow_id, message):
            return  # it is to be as good as done when that is worked off
        else:
            self._is_done(body, message_id)

    def _nothing_is_on_its_way_for(self, given: Delivery, process: str) -> None:
        """Whatever else is known of it: who removes it does not wait for a confirm."""
        host = self._simulation.hosts.get(process)
        if host is None:
            return
        outbox = host.engine.outbox
        for shipment in chain(outbox._in_flight.values(), *outbox._behind.values()):
            for cause in shipment.causes:
                for waiting in cause.waiting if isinstance(cause, Together) else (cause,):
                    if isinstance(waiting.origin, DeliveryOrigin) and waiting.origin.delivery is given:
                        text = f"{waiting.name} is acknowledged, and {shipment.key} is on its way for it"
                        raise Violation("I24", text)

    def _is_kept(self, workflow_id: str, message: Message) -> bool:
        mail = map(decode_message, self._simulation.store.mail.get(workflow_id, {}).values())
        return any((kept.type, kept.message_id) == (message.type, message.message_id) for kept in mail)

    def _update_is_kept(self, workflow_id: str, update_id: str) -> bool:
        """In the mail of a workflow that cannot be run: so it is as good as recorded."""
        mail = self._simulation.store.mail.get(workflow_id, {}).values()
        messages = [message for message in map(decode_message, mail) if message.type in UPDATES]
        kept = map(decode, messages)
        return any(getattr(body, "update_id", None) == update_id for body in kept)

    def worked_off(self, message: Message) -> None:
        """Mail that was kept is deleted. What was kept twice is done when the last of it is."""
        body = decode(message)
        workflow_id = getattr(body, "workflow_id", "")
        self.history.updates.was_kept(body, message.message_id or "")
        if message.message_id not in self._dead and not self._is_kept(workflow_id, message):
            self._is_done(body, message.message_id or "")

    def _is_done(self, body: wire.WireMessage, message_id: str) -> None:
        if isinstance(body, CLIENT_COMMANDS):
            if (body.TYPE, message_id) not in self._simulation.store.seen.get(body.workflow_id, {}):
                raise Violation("I24", f"{body.TYPE} {message_id} is acknowledged, but not stored")
        elif isinstance(body, wire.ActivityCompleted | wire.ActivityFailed) and self.history.is_current(body):
            raise Violation("I24", f"{body.TYPE} {message_id} is acknowledged, but not stored")
        self._confirmed(f"{body.TYPE} {message_id}")

    def _confirmed(self, cause: str) -> None:
        """All that a cause made is confirmed, or needs not be. What a run owed before it was ended unread,
        nobody knows any more."""
        for row in self.history.rows_of_cause.get(cause, ()):
            if row[1] < self._ended_unread.get(row[0], 0):
                continue
            for effect_id, effect in self._effects.get(row, ()):
                if effect_id in self._settled or effect_id in self._unsendable:
                    continue
                if effect_id in self.history.let_go or self._is_moot(effect, made_at=row[1]):
                    continue
                raise Violation("I24", f"{cause} is acknowledged, but its effect {effect_id} is not confirmed")

    def _is_moot(self, effect: Effect, *, made_at: int) -> bool:
        activity = getattr(effect, "run_id", ""), getattr(effect, "activity_id", "")
        if isinstance(effect, TaskEffect) and self.history.was_resent_after(*activity, made_at):
            return True
        if isinstance(effect, StartChildEffect):
            child = self.history.family.runs[effect.run_id].children[effect.parent.number]
            return child.begun is not None or child.closed is not None or child.is_refused
        if isinstance(effect, TaskEffect | GrantEffect | CancelTaskEffect):
            return self.history.is_attempt_over(*activity, effect.attempt, sent_by=made_at)
        return False


def _follows_by_itself(record: Record) -> bool:
    """It begins with what has ended the run before it."""
    first = next(iter(record.events), None)
    return isinstance(first, RunStarted) and first.info.continued_run_id is not None


def _fields(snapshot: SnapshotRow) -> int:
    """How many fields a state of the first format has, as its body's head says."""
    return snapshot.body[2] & 0x1F if snapshot.format == 1 else 0
