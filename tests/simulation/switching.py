"""Payload codecs, keys, a payload store and interceptors switched on in a rolling upgrade, and perhaps off
again, under all the other faults: no process seals before all can open, nor with a key before all have it.

Clients say by a header which story their commands are of. What is asked of it all: whoever begins after the
switch leaves nothing in the clear, and hands his header on to whatever comes of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from random import Random
from types import SimpleNamespace
from typing import TYPE_CHECKING, TypeVar
from unittest.mock import patch

from msgspec.structs import replace

from dalsegno import encryption, shelf
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
from dalsegno.actors.workflow_actor.program import registry
from dalsegno.actors.workflow_actor.program.port import Code
from dalsegno.actors.workflow_actor.run.events import RunStarted
from dalsegno.broker.port import Outgoing
from dalsegno.broker.protocol import messages as wire
from dalsegno.broker.protocol.codec import decode
from dalsegno.codecs import log
from dalsegno.encryption import SEALED
from dalsegno.errors import InvalidMessageError, PayloadStoreError
from dalsegno.payload import Payload
from dalsegno.payload_store import STORED, StoredReference, reference_of
from dalsegno.persistence.port import InstanceWrite
from dalsegno.pieces import PIECES, branches_of, opened
from tests.default_converter import to_payload
from tests.simulation.configured import FORWARD, PLAIN, READS_ALL, Configured, Stage, source_digest, story
from tests.simulation.invariants import Invariants
from tests.simulation.off_loop import SimulatedOffLoop
from tests.simulation.payloads import IN_THE_CLEAR, NOTES, from_payload, payloads_in, with_payloads
from tests.simulation.scheduler import SECOND, Process
from tests.simulation.storm import LENGTHS, Storm
from tests.simulation.violation import Violation
from tests.simulation.world import Simulation
from tests.workflow_actor.stored.two_releases import NEWER

if TYPE_CHECKING:
    from tests.simulation.host import Host

T = TypeVar("T")
STARTS = (wire.StartWorkflow, wire.SignalWithStart, wire.UpdateWithStart)
PIECE_BYTES, FAN_OUT = 4, 2
"""Of logs: few notes make pieces, and nodes."""
WINDOW = 3 * SECOND
"""In which each process takes its step."""
DELAYS = (0, 1_000, 20_000, SECOND // 5, SECOND)


class SimulatedStore:
    """Implements PayloadStore, for who waits until it is as it should be: that shows nothing."""

    def put(self, key: str, data: bytes, /) -> None:
        NOTES.pieces[key] = data

    def get(self, key: str, /) -> bytes | None:
        return NOTES.pieces.get(key)

    def delete(self, keys: object, before: float, /) -> None:
        raise AssertionError("nobody sweeps")

    def keys(self, before: float, /) -> Iterator[str]:
        raise AssertionError("nobody sweeps")


class StoreOfHosts(SimulatedStore):
    """`lost`: keys of what is not there for a while, `others`: of what is something else then."""

    def __init__(self) -> None:
        self.is_away = False
        self.lost: set[str] = set()
        self.others: dict[str, str] = {}

    def get(self, key: str, /) -> bytes | None:
        return None if key in self.lost else super().get(self.others.get(key, key))


class SwitchingOffLoop(SimulatedOffLoop):
    """As `PayloadFetching`, without its threads."""

    def __init__(self, simulation: SwitchingSimulation, host: Host, seed: str) -> None:
        super().__init__(simulation, host, seed)
        self._store = simulation.payload_store
        self._stored = simulation.configured[host.name].stored
        self._of_host = host
        self._draws = Random(f"{seed} pieces")

    def _lacks(self, command: Command, instance: Instance) -> bool:
        needed = {} if self._stored is None else payloads_needed(command, instance, now=self._of_host.now())
        return self._stored is not None and bool(self._stored.lacks(needed))

    def is_ready_for(self, command: Command, instance: Instance) -> bool:
        return not self._lacks(command, instance) and super().is_ready_for(command, instance)

    def prepare(self, command: Command, instance: Instance, done: Callable[[Preparation], None]) -> None:
        if not self._lacks(command, instance):
            super().prepare(command, instance, done)
            return

        def fetch() -> None:
            done(self._fetched(command, instance))

        self._of_host.after(self._draws.choice(DELAYS), fetch)

    def _fetched(self, command: Command, instance: Instance) -> Preparation:
        if self._store.is_away:
            return Unready("the payload store is away")
        assert self._stored is not None
        needed = payloads_needed(command, instance, now=self._of_host.now())
        for reference in self._stored.lacks(needed):
            try:
                self._stored._fetched(reference)
            except PayloadStoreError as error:
                return Unready(str(error))
        return Ready()

    def work(self, work: LocalWork, done: Callable[[Command | PiecesKept], None]) -> None:
        if not isinstance(work, KeepPieces):
            super().work(work, done)
            return

        def keep() -> None:
            if self._store.is_away:
                done(PiecesKept("the payload store is away"))
                return
            assert self._stored is not None
            for key, data in work.pieces.items():
                self._stored._put(key, data)
            done(PiecesKept(None))

        self._of_host.after(self._draws.choice((*DELAYS, 8 * SECOND)), keep)


class SwitchingInvariants(Invariants):
    _simulation: SwitchingSimulation

    def arrived(self, sender: str, outgoing: Outgoing) -> None:
        super().arrived(sender, outgoing)
        try:
            body = decode(outgoing.message)
        except InvalidMessageError:
            return
        workflow_id = getattr(body, "workflow_id", None)
        if workflow_id is not None:
            self._hides(workflow_id, body, f"{outgoing.message.type} to {outgoing.routing_key}")
        if isinstance(body, wire.ActivityTask):
            self._hands_on(body)

    def written(self, write: InstanceWrite) -> None:
        for row in write.journal:
            record = NEWER.decode_record(row.events)
            for event in record.events:
                if isinstance(event, RunStarted):
                    self._simulation.belongs(event.info)
            self._hides(write.workflow_id, record, f"row {row.sequence}, {row.cause}")
        super().written(write)

    def _hides(self, workflow_id: str, said: object, where: str) -> None:
        """It is sealed, and what it refers to is there, and sealed, too."""
        sealed = self._simulation.is_sealed(workflow_id)
        for payload in payloads_in(said):
            if payload.encoding == PIECES:
                payload, references = opened(payload)
                for reference in references:
                    self._lies_there(workflow_id, reference, where, sealed=sealed)
            encoding = payload.encoding
            if encoding == STORED:
                encoding = reference_of(payload).encoding
                self._lies_there(workflow_id, reference_of(payload), where, sealed=False)
            if sealed and encoding != SEALED and not any(mark in payload.data for mark in IN_THE_CLEAR):
                raise Violation("plaintext", f"{where} of {workflow_id} has {payload} in the clear")

    def _lies_there(self, workflow_id: str, reference: StoredReference, where: str, *, sealed: bool) -> None:
        """With all that hangs on it."""
        data = NOTES.pieces.get(reference.key)
        if data is None:
            raise Violation("pieces", f"{where} of {workflow_id} refers to what was never stored")
        if reference.is_node:
            for branch in branches_of(data):
                self._lies_there(workflow_id, branch.reference, where, sealed=sealed)
        elif sealed and reference.encoding != SEALED:
            raise Violation("plaintext", f"{where} of {workflow_id} refers to {data!r} in the clear")

    def _hands_on(self, task: wire.ActivityTask) -> None:
        said, root = task.headers.get(story.name), self._simulation.root_of(task.workflow_id)
        if said is None:
            if self._simulation.is_propagated(task.workflow_id):
                raise Violation("headers", f"{task.activity_type} of {task.workflow_id} has no header")
        elif from_payload(said) != root:
            raise Violation("headers", f"{task.activity_type} of {task.workflow_id} says {said}, not {root}")


class SwitchingStorm(Storm):
    _simulation: SwitchingSimulation

    def __init__(self, simulation: SwitchingSimulation) -> None:
        super().__init__(simulation)
        self._kinds |= {
            "keys away": self._take_keys,
            "payload store away": self._store_away,
            "payload lost": self._lose,
            "payload damaged": self._confuse,
        }

    def _take_keys(self) -> bool:
        host = self._some_host()
        keys = None if host is None else self._simulation.configured[host.name].keys
        if keys is None:
            return False
        keys.are_away = True

        def back() -> None:
            keys.are_away = False

        self._simulation.scheduler.after(self._length(), back)
        return True

    def _store_away(self) -> bool:
        store = self._simulation.payload_store
        if not NOTES.pieces or store.is_away:
            return False
        store.is_away = True

        def back() -> None:
            store.is_away = False

        self._simulation.scheduler.after(self._length(), back)
        return True

    def _some_piece(self) -> str | None:
        pieces = list(NOTES.pieces)
        return self._stream.choice(pieces[-20:]) if pieces else None

    def _lose(self) -> bool:
        key, lost = self._some_piece(), self._simulation.payload_store.lost
        if key is None:
            return False
        lost.add(key)
        self._forgotten_by_hosts(key)
        self._simulation.scheduler.after(self._stream.choice(LENGTHS), lambda: lost.discard(key))
        return True

    def _confuse(self) -> bool:
        """It is another piece."""
        key, other = self._some_piece(), self._some_piece()
        if key is None or other is None or other == key:
            return False
        others = self._simulation.payload_store.others
        others[key] = other
        self._forgotten_by_hosts(key)
        self._simulation.scheduler.after(self._stream.choice(LENGTHS), partial(others.pop, key, None))
        return True

    def _forgotten_by_hosts(self, key: str) -> None:
        """Else those that live had it at hand."""
        for name in self._simulation.hosts:
            stored = self._simulation.configured[name].stored
            if stored is not None:
                stored._cache.pop(key, None)


class SwitchingSimulation(Simulation):
    looked_at_by = SwitchingInvariants  # type: ignore[assignment]
    storm = SwitchingStorm  # type: ignore[assignment]

    def __init__(self, seed: int, **options: object) -> None:
        NOTES.clear()
        self.payload_store = StoreOfHosts()
        self.configured: dict[str, Configured] = {}
        """By process: hosts in the life that they are in."""
        self._waiting: dict[str, Configured] = {}
        """The same for who waits for keys and store; of hosts, their local activities."""
        self._stages: dict[str, Stage] = {}
        self._roots: dict[str, str] = {}
        self._begun: set[str] = set()
        self._begun_sealed: set[str] = set()
        self._begun_propagated: set[str] = set()
        self._chance = Random(f"{seed} switching")
        self._to_come = list(FORWARD[: self._chance.randrange(2, len(FORWARD) + 1)])
        if self._chance.random() < 0.4:
            self._to_come.append(READS_ALL)
        super().__init__(seed, **options)  # type: ignore[arg-type]
        self._may_have_headers = not self.language.moves
        for process in self._processes:
            self._stages[process.name] = PLAIN
            self._configure(process)

    @property
    def _processes(self) -> tuple[Process, ...]:
        return (*self.hosts.values(), *self.workers, self.client)

    def _configure(self, process: Process) -> None:
        stage, is_host = self._stages[process.name], process.name in self.hosts
        waiting = self._waiting[process.name] = Configured(stage, SimulatedStore(), waits=True)
        self.configured[process.name] = (
            Configured(stage, self.payload_store, waits=False) if is_host else waiting
        )

    @contextmanager
    def _deterministic(self) -> Iterator[None]:
        nonces = SimpleNamespace(urandom=Random(f"{self.seed} nonces of payloads").randbytes)
        with (
            super()._deterministic(),
            patch.object(registry, "_source_digest", source_digest),
            patch.object(encryption, "os", nonces),
            patch.object(shelf, "PIECE_BYTES", PIECE_BYTES),
            patch.object(log, "FAN_OUT", FAN_OUT),
        ):
            yield

    # --- step by step ----------------------------------------------------------------------------------------

    def _begin(self) -> None:
        super()._begin()
        self.scheduler.after(self._chance.randrange(SECOND, 6 * SECOND), self._next)

    def _next(self) -> None:
        """Once all have taken the last step, some time later."""
        if not self._to_come:
            return
        stage = self._to_come.pop(0)
        self.scheduler.trace("operator", f"rolls out {stage}")
        for process in self._processes:
            self.scheduler.after(self._chance.randrange(WINDOW), partial(self._roll, process, stage))
        self.scheduler.after(WINDOW, lambda: self._wait_for(stage))

    def _roll(self, process: Process, stage: Stage) -> None:
        self._stages[process.name] = stage
        if not stage.seals:
            self._begun_sealed.clear()
            self._begun_propagated.clear()
        host = self.hosts.get(process.name)
        if host is None:
            self._configure(process)
            if process is not self.client:
                process.kill("replaced")
        elif self._chance.random() < 0.5:
            host.kill("replaced")
        elif host.is_alive:
            host.drain()

    def _wait_for(self, stage: Stage) -> None:
        if all(self.configured[process.name].stage == stage for process in self._processes):
            self.scheduler.after(self._chance.randrange(4 * SECOND), self._next)
        else:
            self.scheduler.after(SECOND // 2, lambda: self._wait_for(stage))

    @property
    def _is_switched(self) -> bool:
        return all(each.stage.seals for each in self.configured.values())

    # --- how each process is configured ----------------------------------------------------------------------

    def code_of(self, host: Host) -> Code:
        self._configure(host)
        return self.configured[host.name].code(self.language)

    def off_loop_of(self, host: Host, seed: str) -> SimulatedOffLoop:
        return SwitchingOffLoop(self, host, seed)

    def sealed(self, process: Process, workflow_id: str, said: T) -> T:
        converter = self._waiting[process.name].converter
        if isinstance(said, STARTS):
            self._begins(workflow_id)
        if process is self.client:
            said = self._with_headers(workflow_id, said)
        if not converter.is_bound:
            return said
        bound = converter.of_workflow(workflow_id)

        def sealed(payload: Payload, whole: bool) -> Payload:
            return bound.to_whole_payload(payload) if whole else bound.to_payload(payload)

        made: T = with_payloads(said, sealed)
        return made

    def opened(self, process: Process, workflow_id: str | None, said: T) -> T:
        converter = self._waiting[process.name].converter
        if workflow_id is None or not converter.is_bound:
            return said
        bound = converter.of_workflow(workflow_id)
        made: T = with_payloads(said, lambda payload, _: bound.from_payload(payload, Payload))
        return made

    def _with_headers(self, workflow_id: str, said: T) -> T:
        if not self.configured["client"].stage.propagates or not hasattr(said, "headers"):
            return said
        if not self._takes_headers():
            return said  # it would be refused, and who gives a signal is not told so
        value = to_payload(workflow_id)
        names = [name for name in ("headers", "update_headers") if hasattr(said, name)]
        return replace(said, **{name: {story.name: value} for name in names})  # type: ignore[type-var]

    def _takes_headers(self) -> bool:
        """Of the older release no host is left, that might not have heard yet of a format forced upon it."""
        if not self._may_have_headers and self.store.format_written == NEWER.newest:
            newest = [host.codec.newest for host in self.hosts.values() if host.is_alive]
            self._may_have_headers = min(newest, default=NEWER.newest) == NEWER.newest
        return self._may_have_headers

    # --- what began when -------------------------------------------------------------------------------------

    def _begins(self, workflow_id: str) -> None:
        if workflow_id not in self._begun and self._is_switched:
            self._begun_sealed.add(workflow_id)
            if self._takes_headers():
                self._begun_propagated.add(workflow_id)
        self._begun.add(workflow_id)

    def belongs(self, info: object) -> None:
        """A run that begins, to the workflow that a client has begun."""
        root = getattr(info, "root", None)
        if root is not None:
            self._roots[info.workflow_id] = root.workflow_id  # type: ignore[attr-defined]

    def root_of(self, workflow_id: str) -> str:
        return self._roots.get(workflow_id, workflow_id)

    def is_sealed(self, workflow_id: str) -> bool:
        return self.root_of(workflow_id) in self._begun_sealed

    def is_propagated(self, workflow_id: str) -> bool:
        return self.root_of(workflow_id) in self._begun_propagated
