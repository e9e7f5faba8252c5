"""An instance under test: commands in, activations out, and a journal that is read back after every one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from dalsegno.actors.workflow_actor.activities.commands import (
    AttemptCanceled,
    AttemptCompleted,
    AttemptFailed,
    AttemptHeartbeat,
    AttemptStarted,
)
from dalsegno.actors.workflow_actor.activities.events import ActivityResolved
from dalsegno.actors.workflow_actor.activities.intents import ScheduleActivity
from dalsegno.actors.workflow_actor.activities.sends import TaskEffect
from dalsegno.actors.workflow_actor.instance import Instance
from dalsegno.actors.workflow_actor.interface.activation import Activation
from dalsegno.actors.workflow_actor.interface.commands import Caller, Command, Settle, Start
from dalsegno.actors.workflow_actor.interface.effects import AnswerEffect, Effect, EffectID
from dalsegno.actors.workflow_actor.interface.intent import Intent
from dalsegno.actors.workflow_actor.interface.retries import RetrySchedule
from dalsegno.actors.workflow_actor.interface.run_info import RunInfo
from dalsegno.actors.workflow_actor.program.port import ABSENT, UNVERSIONED, Code, Program
from dalsegno.actors.workflow_actor.run.decide import AFTER, BEFORE, may_lead_to
from dalsegno.actors.workflow_actor.run.events import Event
from dalsegno.actors.workflow_actor.run.inputs import Input, SignedState
from dalsegno.actors.workflow_actor.run.intents import CompleteRun, SetSign
from dalsegno.actors.workflow_actor.run.state import WorkflowState
from dalsegno.actors.workflow_actor.stored.codec import CODEC
from dalsegno.actors.workflow_actor.timers.intents import StartTimer
from dalsegno.actors.workflow_actor.updates.events import Updated
from dalsegno.failure import Failure
from dalsegno.payload import Payload
from dalsegno.policies import WorkflowStatus
from dalsegno.stored_payloads import Pieces

T0 = 1_700_000_000_000_000
SECOND = 1_000_000
CALLER = Caller("replies", "call-1")


def payload(text: str = "1") -> Payload:
    return Payload("json/plain", text.encode())


def activity(number: int, **changes: Any) -> ScheduleActivity:
    fields: dict[str, Any] = {
        "number": number,
        "activity_id": str(number),
        "activity_type": "charge",
        "task_queue": "default",
        "args": (payload(),),
        "start_to_close": 600 * SECOND,
        "schedule_to_close": None,
        "schedule_to_start": None,
        "heartbeat_timeout": None,
        "retry": RetrySchedule(),
        "line": "orders.py:12",
    }
    return ScheduleActivity(**(fields | changes))


def timer(number: int, fire_at: int) -> StartTimer:
    return StartTimer(number=number, fire_at=fire_at)


def sign(state: str = "{}", signs: int = 1) -> SetSign:
    return SetSign(signed=SignedState(state=payload(state), signs=signs))


DONE = CompleteRun(result=payload('"done"'))

Step = Sequence[Intent] | Exception
Script = Callable[[int, Input], Step]


class ScriptedProgram:
    """Answers the n-th input (from 0; after a sign they count on from it) as its script says."""

    def __init__(self, script: Script, first: int) -> None:
        self._script = script
        self._next = first
        self._first = first
        self.seen: list[tuple[Input, int, bool]] = []
        self.dropped = False
        self.is_spoiled = False

    def step(self, input_: Input, *, now: int, replaying: bool) -> list[Intent]:
        assert not self.dropped
        self.seen.append((input_, now, replaying))
        index, self._next = self._next, self._next + 1
        intents = self._script(index, input_)
        if isinstance(intents, Exception):
            raise intents
        wanted = list(intents)
        signs = [place for place, intent in enumerate(wanted) if isinstance(intent, SetSign)]
        # Rebuilt from a sign, the step in which it was set comes back as a beginning.
        return wanted[signs[-1] + 1 :] if signs and replaying and index == self._first else wanted

    def take_pieces(self) -> Pieces:
        return {}

    def query(self, name: str, args: Sequence[Payload], headers: object = None) -> Payload:
        return payload(f'["{name}", {len(self.seen)}]')

    takes_updates = True

    def rejection(self, asked: Updated | ActivityResolved) -> Failure | None:
        return None

    def query_handler(self, name: str) -> str | None:
        return name

    details = ""

    def waiting_for(self) -> tuple[str, ...]:
        return ("what the script says",)

    def drop(self) -> None:
        self.dropped = True


class ScriptedCode:
    """`signs` maps how many signs were set to the index of the step that set the last of them."""

    def __init__(self, script: Script | Sequence[Step], *, source: str = "code-1") -> None:
        self.source = source
        self.types = {"order", "invoice"}
        self.sets_aside = True
        self.signs: dict[int, int] = {0: 0}
        self.built: list[ScriptedProgram] = []
        self.script: Script = script if callable(script) else self._listed(script)

    def _listed(self, steps: Sequence[Step]) -> Script:
        for index, step in enumerate(steps):
            for intent in step if not isinstance(step, Exception) else ():
                if isinstance(intent, SetSign):
                    self.signs[intent.signed.signs] = index
        return lambda index, _: steps[index] if index < len(steps) else ()

    def fingerprint(self, task_queue: str, workflow_type: str, version: str = UNVERSIONED) -> str:
        return self.source if workflow_type in self.types else ABSENT

    def sets_signals_aside(self, task_queue: str, workflow_type: str, version: str = UNVERSIONED) -> bool:
        return self.sets_aside

    def build(self, info: RunInfo, signed: SignedState, patches: Sequence[str] = ()) -> Program | None:
        if info.workflow_type not in self.types:
            return None
        program = ScriptedProgram(self.script, self.signs[signed.signs])
        self.built.append(program)
        return program


class Rig:
    """Drives one instance, keeps what it would have written, and checks after each activation that the
    journal gives the same state back, byte for byte. `passivating`: it is loaded anew before each command."""

    def __init__(self, code: Code, *, passivating: bool = False, history_limit: int = 10_000) -> None:
        self.code = code
        self.passivating = passivating
        self.history_limit = history_limit
        self.now = T0
        self.instance = Instance("w", code, history_limit=history_limit)
        self.snapshot: tuple[int, int, bytes, bytes] | None = None
        self.journal: list[tuple[str, int, int, bytes]] = []
        self.history: dict[str, list[Event]] = {}
        self._draws = 0

    def start(self, run_id: str = "run-1", **changes: Any) -> Activation:
        return self.send(start(run_id, **changes))

    def send(self, command: Command, *, held: bool = True, after: int = 0) -> Activation:
        (activation,) = self.send_all(command, held=held, after=after)
        return activation

    def send_all(self, command: Command, *, held: bool = True, after: int = 0) -> list[Activation]:
        """`after` microseconds since the last command."""
        self.now += after
        # A process that forgot which effects were confirmed would have to send them again before it settles.
        remembers = self.instance.is_pinned or self.has_put_off
        if self.passivating and not remembers and not isinstance(command, Settle):
            self.move()
        self._draws += 1
        entropy = self._draws.to_bytes(32, "big")
        before = None if self.instance.state is None else CODEC.encode_state(self.instance.state)
        activations = self.instance.activate(command, now=self.now, entropy=entropy, held=held)
        if not any(activation.recorded for activation in activations):
            assert before == (None if self.instance.state is None else CODEC.encode_state(self.state))
        for activation in activations:
            self._write(activation)
            self._check_events(type(command), activation)
        self.check_replay_identity()
        return activations

    def _write(self, activation: Activation) -> None:
        if not activation.recorded:
            return
        run_id = activation.run_id
        assert run_id is not None
        if activation.opened is not None:
            self.journal, self.snapshot = [], None
        assert activation.sequence == (self.journal[-1][1] if self.journal else self._base) + 1
        self.journal.append((run_id, activation.sequence, activation.time, activation.events))
        self.history.setdefault(run_id, []).extend(CODEC.decode_record(activation.events).events)
        if (due := activation.snapshot) is not None:
            assert due.run_id == run_id
            assert due.sequence <= activation.sequence  # a large one may take several
            self.snapshot = (due.sequence, due.format, due.checksum, due.body)
            self.journal = [row for row in self.journal if row[1] > due.sequence]

    def _check_events(self, command: type[Command], activation: Activation) -> None:
        """They are among those that the command may lead to."""
        events = CODEC.decode_record(activation.events).events if activation.recorded else ()
        expected = {*BEFORE, *may_lead_to(command), *AFTER}
        assert {type(event) for event in events} <= expected, f"{command.__name__} led to {events}"

    @property
    def has_put_off(self) -> bool:
        """Code was tried again in vain, which nobody knows who loads the instance."""
        state = self.instance.state
        suspension = None if state is None else state.suspension
        return suspension is not None and suspension.retry_at != self.instance.retry_at

    def status(self) -> WorkflowStatus | None:
        return self.instance.status

    def needs_settle(self) -> bool:
        return self.instance.needs_settle

    def has_program(self) -> bool:
        return self.instance.has_program

    def settle(self) -> None:
        """All that was sent is confirmed, and effects that no message holds are settled."""
        assert self.instance.run_id is not None
        for effect_id, effect in self.instance.outstanding():
            self.instance.confirm(effect.run_id, effect_id)
        if self.needs_settle():
            self.send(Settle(), held=False)

    @property
    def _base(self) -> int:
        return 0 if self.snapshot is None else self.snapshot[0]

    def load(self) -> Instance:
        """Another instance, from what was written."""
        codec = self.instance.codec
        if self.instance.run_id is None:
            return Instance("w", self.code, history_limit=self.history_limit, codec=codec)
        return Instance.load(
            "w",
            self.code,
            snapshot=self.snapshot,
            journal=self.journal,
            run_id=self.instance.run_id,
            history_limit=self.history_limit,
            codec=codec,
        )

    def reload(self) -> None:
        """Passivate it and load it again."""
        self.instance.live.forget()
        self.instance = self.load()

    def move(self) -> None:
        """Load it again as another process would, to which the messages that hold effects come again."""
        self.reload()
        self.instance.outstanding()

    def check_replay_identity(self) -> None:
        loaded = self.load().state
        assert (loaded is None) == (self.instance.state is None)
        if loaded is not None:
            assert CODEC.encode_state(loaded) == CODEC.encode_state(self.state)

    @property
    def state(self) -> WorkflowState:
        assert self.instance.state is not None
        return self.instance.state

    def events(self, kind: type[Any], run_id: str = "run-1") -> list[Any]:
        return [event for event in self.history.get(run_id, ()) if isinstance(event, kind)]

    @property
    def programs_seen(self) -> list[Input]:
        """Inputs that the newest program was stepped with."""
        assert isinstance(self.code, ScriptedCode)
        return [input_ for input_, _, _ in self.code.built[-1].seen]


def start(run_id: str = "run-1", **changes: Any) -> Start:
    fields: dict[str, Any] = {
        "workflow_id": "w",
        "run_id": run_id,
        "workflow_type": "order",
        "task_queue": "default",
        "caller": CALLER,
        "wants_accepted": True,
    }
    return Start(**(fields | changes))


def tasks(activation: Activation) -> list[TaskEffect]:
    return [effect for _, effect in activation.effects if isinstance(effect, TaskEffect)]


def task(activation: Activation) -> TaskEffect:
    (only,) = tasks(activation)
    return only


def task_id(activation: Activation) -> EffectID:
    (only,) = [
        effect_id
        for effect_id, effect in activation.effects
        if isinstance(effect, TaskEffect) and effect_id is not None
    ]
    return only


def effects(activation: Activation, kind: type[Any]) -> list[Any]:
    return [effect for _, effect in activation.effects if isinstance(effect, kind)]


def answer(activation: Activation) -> AnswerEffect:
    (only,) = effects(activation, AnswerEffect)
    assert isinstance(only, AnswerEffect)
    return only


def _of(effect: TaskEffect) -> dict[str, Any]:
    return {
        "run_id": effect.run_id,
        "activity_id": effect.activity_id,
        "attempt": effect.attempt,
        "token": effect.token,
    }


def started(
    effect: TaskEffect, worker: str = "worker-1", content_type: str = "", *, alone: bool = False
) -> AttemptStarted:
    return AttemptStarted(**_of(effect), worker=worker, content_type=content_type, alone=alone)


def heartbeat(
    effect: TaskEffect, details: Payload | None = None, worker: str | None = None, content_type: str = ""
) -> AttemptHeartbeat:
    return AttemptHeartbeat(**_of(effect), worker=worker, details=details, content_type=content_type)


def completed(effect: TaskEffect, result: Payload | None = None) -> AttemptCompleted:
    return AttemptCompleted(**_of(effect), result=result or payload())


def failed(
    effect: TaskEffect, failure: Failure | None = None, next_retry_delay: int | None = None
) -> AttemptFailed:
    failure = failure or Failure(message="card declined", type="Declined")
    return AttemptFailed(**_of(effect), failure=failure, next_retry_delay=next_retry_delay)


def canceled(effect: TaskEffect, details: Payload | None = None) -> AttemptCanceled:
    return AttemptCanceled(**_of(effect), details=details)


def sent(activations: Sequence[Activation]) -> list[tuple[EffectID | None, Effect]]:
    return [entry for activation in activations for entry in activation.effects]
