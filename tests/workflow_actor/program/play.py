"""A program driven by hand: a test is the engine, gives inputs and looks at intents.

`Play` keeps the log since the last sign as the engine does, so that any test can end by `replayed()`: the same
inputs, given to a new program, must give the same intents.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from dalsegno.actors.workflow_actor.activities.events import ActivityResolved
from dalsegno.actors.workflow_actor.activities.intents import (
    CancelActivity,
    CancelLocalActivity,
    ScheduleActivity,
    ScheduleLocalActivity,
)
from dalsegno.actors.workflow_actor.interface.intent import Intent
from dalsegno.actors.workflow_actor.interface.run_info import RunInfo
from dalsegno.actors.workflow_actor.loop.intent_ledger import STEP_LIMIT
from dalsegno.actors.workflow_actor.program.port import KnownActivities
from dalsegno.actors.workflow_actor.program.program import WorkflowProgram
from dalsegno.actors.workflow_actor.program.registry import WorkflowRegistry
from dalsegno.actors.workflow_actor.run.inputs import Begin, CancelRequested, Continue, Input, SignedState
from dalsegno.actors.workflow_actor.run.intents import CancelRun, CompleteRun, FailRun, SetSign
from dalsegno.actors.workflow_actor.signals.events import Signaled
from dalsegno.actors.workflow_actor.timers.events import TimerFired
from dalsegno.actors.workflow_actor.timers.intents import CancelTimer, StartTimer
from dalsegno.actors.workflow_actor.updates.events import Updated
from dalsegno.actors.workflow_actor.updates.intents import CompleteUpdate, FailUpdate
from dalsegno.data_converter import DataConverter
from dalsegno.errors import ActivityError
from dalsegno.interceptors import WorkerInterceptor
from dalsegno.payload import Payload
from tests.default_converter import from_payload, to_failure, to_payload

SECOND = 1_000_000
START = 1_700_000_000 * SECOND
built: list[WorkflowProgram] = []
"""All programs since the last test, to be dropped after it (see conftest)."""

Answer = Callable[[ScheduleActivity], Any]


class Play:
    """One run of a workflow class. `now` is microseconds; `activities` and `timers` are those outstanding."""

    def __init__(
        self,
        cls: type,
        *,
        run_id: str = "run-1",
        signed: SignedState | None = None,
        memo: dict[str, Any] | None = None,
        step_limit: int = STEP_LIMIT,
        data_converter: DataConverter = DataConverter.default,
        local_activities: KnownActivities | None = None,
        interceptors: Sequence[WorkerInterceptor] = (),
    ) -> None:
        self.registry = WorkflowRegistry(
            [(cls, None)],
            data_converter=data_converter,
            step_limit=step_limit,
            local_activities=local_activities,
            interceptors=interceptors,
        )
        self.info = RunInfo(
            workflow_id="order-7",
            run_id=run_id,
            workflow_type=self.registry.types[0],
            task_queue="main",
            started_at=START,
            memo={key: to_payload(value) for key, value in (memo or {}).items()},
        )
        self.now = START
        self.signed = signed or SignedState()
        self.program = self._build()
        self.log: list[tuple[Input, int, list[Intent]]] = []
        self.intents: list[Intent] = []
        self.activities: dict[int, ScheduleActivity | ScheduleLocalActivity] = {}
        self.timers: dict[int, StartTimer] = {}
        self.updates = 0

    def _build(self) -> WorkflowProgram:
        program = self.registry.build(self.info, self.signed)
        assert program is not None
        built.append(program)
        return program

    # Inputs

    def give(self, input_: Input, *, replaying: bool = False) -> list[Intent]:
        intents = self.program.step(input_, now=self.now, replaying=replaying)
        self.intents += intents
        self._note(input_, intents)
        return intents

    def begin(self, *args: Any) -> list[Intent]:
        return self.give(Begin(args=tuple(map(to_payload, args))))

    def resolve(self, number: int, result: Any = None) -> list[Intent]:
        del self.activities[number]
        return self.give(ActivityResolved(number=number, result=to_payload(result)))

    def fail(self, number: int, cause: BaseException) -> list[Intent]:
        """As the engine does when retries are spent."""
        activity = self.activities.pop(number)
        error = ActivityError("failed", activity_type=activity.activity_type, activity_id="1", attempt=3)
        error.__cause__ = cause
        return self.give(ActivityResolved(number=number, failure=to_failure(error)))

    def cancelled(self, number: int, cause: BaseException) -> list[Intent]:
        """The worker has let itself be cancelled."""
        self.activities.pop(number, None)
        return self.give(ActivityResolved(number=number, failure=to_failure(cause)))

    def fire(self, number: int) -> list[Intent]:
        timer = self.timers.pop(number)
        self.now = max(self.now, timer.fire_at)
        return self.give(TimerFired(number=number))

    def signal(self, name: str, *args: Any) -> list[Intent]:
        return self.give(Signaled(name=name, args=tuple(map(to_payload, args))))

    def update(self, name: str, *args: Any, validated: bool = False) -> list[Intent]:
        """Its ID is its number, from 1."""
        self.updates += 1
        given = tuple(map(to_payload, args))
        return self.give(Updated(update_id=str(self.updates), name=name, args=given, validated=validated))

    @property
    def outcomes(self) -> dict[str, Any]:
        """What updates have come to: a result, or the message of a failure."""
        found: dict[str, Any] = {}
        for intent in self.intents:
            if isinstance(intent, CompleteUpdate):
                found[intent.update_id] = from_payload(intent.result)
            elif isinstance(intent, FailUpdate):
                found[intent.update_id] = intent.failure.message
        return found

    def cancel(self, reason: str = "", *, as_failure: bool = True) -> list[Intent]:
        return self.give(CancelRequested(reason=reason, kept=True, as_failure=as_failure))

    def go_on(self) -> list[Intent]:
        return self.give(Continue())

    def run(self, answer: Answer = lambda activity: from_payload(activity.args[0])) -> Any:
        """Answer activities in order, and fire timers when no activity is left, to the end of the run."""
        while not self.closed:
            if self.activities:
                number, activity = next(iter(self.activities.items()))
                try:
                    result = answer(activity)
                except Exception as error:  # noqa: BLE001 - the answer decides how the activity fails
                    self.fail(number, error)
                else:
                    self.resolve(number, result)
            else:
                self.fire(min(self.timers.values(), key=lambda timer: timer.fire_at).number)
        return self.result

    def query(self, name: str, *args: Any) -> Any:
        return from_payload(self.program.query(name, tuple(map(to_payload, args))))

    # What came of it

    @property
    def digests(self) -> list[str]:
        return [intent.digest for intent in self.intents]

    @property
    def signs(self) -> list[SignedState]:
        return [intent.signed for intent in self.intents if isinstance(intent, SetSign)]

    @property
    def closed(self) -> bool:
        return bool(self.intents) and isinstance(self.intents[-1], CompleteRun | FailRun | CancelRun)

    @property
    def result(self) -> Any:
        last = self.intents[-1]
        assert isinstance(last, CompleteRun), last
        return from_payload(last.result)

    @property
    def failure(self) -> Any:
        last = self.intents[-1]
        assert isinstance(last, FailRun | CancelRun), last
        return last.failure

    def _note(self, input_: Input, intents: list[Intent]) -> None:
        for intent in intents:
            match intent:
                case ScheduleActivity(number=number) | ScheduleLocalActivity(number=number):
                    self.activities[number] = intent
                case CancelActivity(number=number) | CancelLocalActivity(number=number) if (
                    self.activities[number].cancellation_type == "try_cancel"
                ):
                    del self.activities[number]
                case StartTimer(number=number):
                    self.timers[number] = intent
                case CancelTimer(number=number):
                    del self.timers[number]
        self.log.append((input_, self.now, intents))
        signs = [index for index, intent in enumerate(intents) if isinstance(intent, SetSign)]
        if signs:
            last = intents[signs[-1]]
            assert isinstance(last, SetSign)
            self.signed = last.signed
            self.log = [(Begin(), self.now, intents[signs[-1] + 1 :])]

    def replayed(self) -> Play:
        """A new program, built from the last sign and stepped with the same inputs, that wanted the same."""
        other = Play.__new__(Play)
        other.__dict__.update(self.__dict__)
        other.activities, other.timers, other.log = dict(self.activities), dict(self.timers), list(self.log)
        other.program = self._build()
        for input_, now, intents in self.log:
            again = other.program.step(input_, now=now, replaying=True)
            assert without_payloads(again) == without_payloads(intents)
        return other


def played(cls: type, *args: Any, answer: Answer | None = None, **options: Any) -> Play:
    """A run from its beginning to its end, which was replayed as well."""
    play = Play(cls, **options)
    play.begin(*args)
    if answer is None:
        play.run()
    else:
        play.run(answer)
    play.replayed()
    return play


def without_payloads(intents: list[Intent]) -> list[object]:
    """Intents as they are compared here: all but stacks, whose frames differ between a step and its replay."""
    return [
        (type(intent), intent.failure.message) if isinstance(intent, FailRun | CancelRun) else intent
        for intent in intents
    ]


def payload(value: Any) -> Payload:
    return to_payload(value)
