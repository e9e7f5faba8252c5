"""Random programs, and a random world that drives them: workers, clients, crashes, clocks."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from dalsegno.actors.workflow_actor.activities.commands import ResendTask
from dalsegno.actors.workflow_actor.activities.events import ActivityResolved
from dalsegno.actors.workflow_actor.activities.intents import CancelActivity
from dalsegno.actors.workflow_actor.activities.sends import TaskEffect
from dalsegno.actors.workflow_actor.interface.activation import Activation
from dalsegno.actors.workflow_actor.interface.commands import (
    Caller,
    Cancel,
    Command,
    Describe,
    FailEffect,
    Park,
    Resume,
    Settle,
    Suspend,
    Terminate,
    WakeUp,
)
from dalsegno.actors.workflow_actor.interface.effects import EffectID, ResultEffect
from dalsegno.actors.workflow_actor.interface.intent import Intent
from dalsegno.actors.workflow_actor.interface.retries import RetrySchedule
from dalsegno.actors.workflow_actor.interface.run_info import RunInfo
from dalsegno.actors.workflow_actor.program.port import ABSENT, UNVERSIONED, Code, Program, WorkflowCodeError
from dalsegno.actors.workflow_actor.queries.commands import Query
from dalsegno.actors.workflow_actor.run.inputs import Begin, Continue, Input, SignedState
from dalsegno.actors.workflow_actor.run.intents import AskContinue, CompleteRun, FailRun, SetSign
from dalsegno.actors.workflow_actor.signals.commands import Signal
from dalsegno.actors.workflow_actor.timers.events import TimerFired
from dalsegno.actors.workflow_actor.timers.intents import CancelTimer
from dalsegno.failure import Failure
from dalsegno.payload import Payload
from dalsegno.policies import WorkflowIDConflictPolicy
from dalsegno.stored_payloads import Pieces
from tests.workflow_actor.rig import (
    SECOND,
    Rig,
    activity,
    canceled,
    completed,
    failed,
    heartbeat,
    payload,
    start,
    started,
    timer,
)

DELAYS = (0, 1, SECOND, 10 * SECOND, 3600 * SECOND)


class WildProgram:
    """Wants something at random, but the same for the same inputs. It holds the engine to what the port
    promises: nothing is resolved twice, no timer fires that it has cancelled while it was running."""

    def __init__(self, seed: int, signed: SignedState, *, has_bugs: bool) -> None:
        self._seed = seed
        self._signed = signed
        self._has_bugs = has_bugs
        self._count = signed.next_uuid
        self._next_activity = signed.next_activity
        self._next_timer = signed.next_timer
        self._activities: dict[int, str] = {}
        self._timers: set[int] = set()
        self._resolved: set[int] = set()
        self._pausing = False
        self._closed = False

    def step(self, input_: Input, *, now: int, replaying: bool) -> list[Intent]:
        assert not self._closed
        if isinstance(input_, Begin) and self._signed.signs:
            return self._wants(self._random_behind_the_sign(), now)
        self._count += 1
        random = Random(f"{self._seed} {self._count} {input_!r}")
        match input_:
            case ActivityResolved(number=number):
                assert number < self._next_activity
                assert number not in self._resolved
                self._resolved.add(number)
                self._activities.pop(number, None)
            case TimerFired(number=number):
                assert number < self._next_timer
                self._timers.discard(number)
            case Continue():
                assert self._pausing
                self._pausing = False
        if random.random() < 0.06 and self._has_bugs:
            raise WorkflowCodeError(f"bug {self._count}")
        return self._wants(random, now)

    def _wants(self, random: Random, now: int) -> list[Intent]:
        intents: list[Intent] = []
        for _ in range(random.randrange(4)):
            signs = self._signed.signs
            if not self._closed:
                self._want(random, now, intents)
            if self._signed.signs != signs:
                break
        return intents

    def _random_behind_the_sign(self) -> Random:
        return Random(f"{self._seed} signed {self._signed.signs} {self._count}")

    def _want(self, random: Random, now: int, intents: list[Intent]) -> None:
        match random.randrange(12):
            case 0 | 1 | 2 | 3:
                intents.append(self._schedule(random))
            case 4 if self._activities:
                self._cancel(random, intents)
            case 5 | 6:
                intents.append(timer(self._next_timer, now + random.choice(DELAYS)))
                self._timers.add(self._next_timer)
                self._next_timer += 1
            case 7 if self._timers:
                number = random.choice(sorted(self._timers))
                self._timers.discard(number)
                intents.append(CancelTimer(number=number))
            case 8 if not self._pausing:
                self._pausing = True
                intents.append(AskContinue())
            case 9 | 10 if not self._activities and not self._timers and not self._pausing:
                self._sign(random, now, intents)
            case 11 if random.random() < 0.3:
                self._closed = True
                done = random.random() < 0.5
                intents.append(
                    CompleteRun(result=payload()) if done else FailRun(failure=Failure(message="no"))
                )

    def _schedule(self, random: Random) -> Intent:
        number = self._next_activity
        self._next_activity += 1
        kind = random.choice(("try_cancel", "wait_cancellation_completed", "abandon"))
        self._activities[number] = kind
        return activity(
            number,
            cancellation_type=kind,
            start_to_close=random.choice((SECOND, 60 * SECOND, 3600 * SECOND)),
            schedule_to_close=random.choice((None, None, 100 * SECOND)),
            schedule_to_start=random.choice((None, None, 20 * SECOND)),
            heartbeat_timeout=random.choice((None, None, 5 * SECOND)),
            retry=RetrySchedule(maximum_attempts=random.choice((0, 1, 2))),
        )

    def _cancel(self, random: Random, intents: list[Intent]) -> None:
        number = random.choice(sorted(self._activities))
        intents.append(CancelActivity(number=number))
        if self._activities[number] != "wait_cancellation_completed":
            del self._activities[number]

    def _sign(self, random: Random, now: int, intents: list[Intent]) -> None:
        self._signed = SignedState(
            state=payload(str(self._count)),
            signs=self._signed.signs + 1,
            next_activity=self._next_activity,
            next_timer=self._next_timer,
            next_uuid=self._count,
        )
        intents.append(SetSign(signed=self._signed))
        intents.extend(self._wants(self._random_behind_the_sign(), now))

    def take_pieces(self) -> Pieces:
        return {}

    def query(self, name: str, args: Sequence[Payload], headers: object = None) -> Payload:
        return payload(str(self._count))

    def query_handler(self, name: str) -> str | None:
        return name

    @property
    def is_spoiled(self) -> bool:
        return False

    details = ""

    def waiting_for(self) -> tuple[str, ...]:
        return tuple(f"activity {number}" for number in self._activities)

    def drop(self) -> None:
        self._closed = True


class WildCode:
    """`version` 0 has bugs, later ones have none."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.version = 0

    def fingerprint(self, task_queue: str, workflow_type: str, version: str = UNVERSIONED) -> str:
        return ABSENT if workflow_type == "unknown" and self.version == 0 else str(self.version)

    def sets_signals_aside(self, task_queue: str, workflow_type: str, version: str = UNVERSIONED) -> bool:
        return True

    def build(self, info: RunInfo, signed: SignedState, patches: Sequence[str] = ()) -> Program | None:
        if info.workflow_type == "unknown" and self.version == 0:
            return None
        return WildProgram(self.seed, signed, has_bugs=self.version == 0)


Op = tuple[int, int]
"""What to do, and a number to choose with."""

OPS = 20


class World:
    """Everything around one workflow ID. `written` is all that was ever recorded. `remembering`: confirms and
    heartbeats come, which are memory until something records them."""

    def __init__(
        self,
        code: Code,
        *,
        passivating: bool = False,
        remembering: bool = True,
        args: tuple[Payload, ...] = (),
        workflow_types: tuple[str, str] = ("order", "unknown"),
        signals: tuple[str, ...] = ("a", "b", "c"),
    ) -> None:
        self.code = code
        self.rig = Rig(code, passivating=passivating, history_limit=10)
        self.remembering = remembering
        self._args = args
        self._types = workflow_types
        self._signals = signals
        self.runs = 0
        self.tasks: list[TaskEffect] = []
        self.words: list[Command] = []
        self.probed: list[ResendTask] = []
        self.confirmed: set[tuple[str, EffectID]] = set()
        self.given_up: set[tuple[str, EffectID]] = set()
        self.results: set[tuple[str, EffectID]] = set()
        self.written: list[bytes] = []

    def do(self, op: Op) -> None:
        what, number = op
        before = self.rig.instance.sequence, self.rig.instance.run_id
        activations = self._do(what % OPS, number)
        for activation in activations:
            self._note(activation)
        recorded = [activation for activation in activations if activation.recorded]
        if len(recorded) == 1 and recorded[0].opened is None:
            assert (recorded[0].sequence, recorded[0].run_id) == (before[0] + 1, before[1])

    def _note(self, activation: Activation) -> None:
        if activation.recorded:
            self.written.append(activation.events)
        assert activation.run_id is not None or not activation.recorded
        for probe in activation.probes:
            self.probed.append(ResendTask(activity_id=probe.activity_id, attempt=probe.attempt))
        for effect_id, effect in activation.effects:
            if isinstance(effect, TaskEffect):
                self.tasks.append(effect)
            if isinstance(effect, ResultEffect) and effect_id is not None:
                self.results.add((effect.run_id, effect_id))

    def _do(self, what: int, number: int) -> list[Activation]:
        if what <= 9:
            return self._work(number) if what > 1 else self._wake_in_time()
        match what:
            case 10:
                return self._start(number)
            case 11 | 12:
                return self._send(Signal(name=self._signals[number % len(self._signals)]))
            case 13:
                return self._operate(number)
            case 14:
                self.rig.now += DELAYS[number % len(DELAYS)]
                return self._send(WakeUp(), held=False)
            case 15 if self.words:
                return self._send(self.words[number % len(self.words)])
            case 16 if self.probed:
                return self._send(self.probed.pop(number % len(self.probed)), held=False)
            case 17 if self.remembering:
                return self._confirm(number)
            case 18 if self.remembering:
                return self._cannot_send(number)
            case 19:
                caller = Caller("q", "c")
                ask: Command = Query(name="q", caller=caller) if number % 2 else Describe(caller=caller)
                return self._send(ask)
        return []

    def _send(self, command: Command, *, held: bool = True) -> list[Activation]:
        return self.rig.send_all(command, held=held)

    def _wake_in_time(self) -> list[Activation]:
        wake_at = self.rig.instance.wake_at
        if wake_at is None:
            return []
        self.rig.now = max(self.rig.now, wake_at)
        return self._send(WakeUp(), held=False)

    def _start(self, number: int) -> list[Activation]:
        self.runs += number % 4 > 0
        policy = list(WorkflowIDConflictPolicy)[number % 3]
        caller = Caller("replies", str(number))
        return self._send(
            start(
                f"run-{self.runs}",
                workflow_type=self._types[number % 7 == 0],
                args=self._args,
                conflict_policy=policy,
                execution_timeout=7200 * SECOND if number % 5 == 0 else None,
                wants_result=number % 2 == 0,
                caller=caller,
            )
        )

    def _operate(self, number: int) -> list[Activation]:
        commands: list[Command] = [
            Resume(),
            Resume(),
            Suspend(),
            Suspend(struck=True),
            Cancel(reason="enough"),
            Terminate() if number % 4 == 0 else Resume(),
        ]
        if number % 7 == 6 and isinstance(self.code, WildCode):
            self.code.version += 1
            self.rig.move()
            return []
        return self._send(commands[number % 7 % len(commands)])

    def _work(self, number: int) -> list[Activation]:
        if not self.tasks:
            return []
        # Mostly the newest tasks: the older ones are over.
        task = self.tasks[-1 - (number % 97) % min(len(self.tasks), 5)]
        words: list[Command] = [
            started(task, f"worker-{number % 2}"),
            heartbeat(task, payload(str(number)) if self.remembering else None, "worker-0"),
            completed(task, payload(str(number))),
            completed(task, payload(str(number))),
            failed(task),
            failed(task, Failure(message="no", non_retryable=True)),
            canceled(task),
        ]
        word = words[number % len(words)]
        self.words.append(word)
        return self._send(word)

    def _confirm(self, number: int) -> list[Activation]:
        for effect_id, effect in self.rig.instance.outstanding()[: number % 5]:
            self.rig.instance.confirm(effect.run_id, effect_id)
            self.confirmed.add((effect.run_id, effect_id))
        if number % 3 == 0:
            self.rig.move()
        return self._send(Settle(), held=False) if self.rig.needs_settle() else []

    def _cannot_send(self, number: int) -> list[Activation]:
        outstanding = self.rig.instance.outstanding()
        if not outstanding:
            return []
        effect_id, effect = outstanding[number % len(outstanding)]
        if number % 3:
            retry_at = self.rig.now + 10 * SECOND
            return self._send(Park((effect_id,), retry_at, effect.run_id), held=False)
        self.given_up.add((effect.run_id, effect_id))
        return self._send(FailEffect(effect_id, "too large", effect.run_id), held=False)
