"""The gates: each stands before whom it concerns, in one order, and to look at them changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import combinations
from typing import get_args

import pytest
from msgspec.structs import replace

from dalsegno.actors.workflow_actor import gates
from dalsegno.actors.workflow_actor.again import SeenCommands
from dalsegno.actors.workflow_actor.blame import NOBODY, Struck, next_input
from dalsegno.actors.workflow_actor.gates import (
    AboutAnotherRun,
    AnswerAgain,
    AskedFromElsewhere,
    BeginRun,
    ClearStrikes,
    Gate,
    LookUpAttributes,
    LookUpFormat,
    LookUpStrikes,
    Pass,
    ReadMail,
    RebuildAtOnce,
    RebuildInSlices,
    Refuse,
    SuspendFirst,
    TakenByAnotherRun,
    Void,
    WaitForOutcome,
    gate,
)
from dalsegno.actors.workflow_actor.interface.cause import AwaitOutcome, Cause, MoreMail
from dalsegno.actors.workflow_actor.interface.commands import (
    Caller,
    Command,
    Describe,
    Resume,
    Suspend,
    Terminate,
)
from dalsegno.actors.workflow_actor.queries.commands import Query
from dalsegno.actors.workflow_actor.queries.strikes import DYNAMIC_QUERY, QUERY
from dalsegno.actors.workflow_actor.run import log, state
from dalsegno.actors.workflow_actor.signals.commands import Signal
from dalsegno.actors.workflow_actor.stored.codec import CODEC
from dalsegno.actors.workflow_actor.updates.commands import Update
from dalsegno.policies import WorkflowIDConflictPolicy
from dalsegno.search_attributes import AttributeValue
from dalsegno.search_attributes import SearchAttributeIndexedValueType as Type
from tests.workflow_actor.rig import CALLER, Rig, ScriptedCode, ScriptedProgram, start

KEY = ("workflow.something", "m-1")
CAUSE = "workflow.something m-1"
START = start("run-2", conflict_policy=WorkflowIDConflictPolicy.TERMINATE_EXISTING)


class Message:
    """Where a cause came from."""

    def __init__(self) -> None:
        self.is_void = False

    def remove(self) -> None: ...


class Situation:
    """A run that is at its first step, with its program in memory, and a client's message that nobody has seen
    before."""

    def __init__(self, command: Command | AwaitOutcome) -> None:
        self.rig = Rig(ScriptedCode([]))
        self.rig.start()
        self.seen = SeenCommands()
        self.struck = NOBODY
        self.message = Message()
        message_type, message_id = KEY
        self.cause = Cause(
            command,
            name=CAUSE,
            origin=self.message,
            message_id=message_id,
            message_type=message_type,
            recognisable=True,
        )

    def gate(self) -> Gate:
        return gate(self.cause, self.rig.instance, self.seen, self.struck)

    def looks(self) -> object:
        """All that the gates look at."""
        instance, cause = self.rig.instance, self.cause
        seen = [self.seen.answer_to(key) for key in (KEY, ("", KEY[1]))]
        held = cause.name, cause.pending, cause.failures, cause.redelivered
        program = instance.has_program, instance.live.program, next_input(instance.state), instance.wake_at
        return CODEC.encode_state(self.rig.state), seen, self.seen.told, self.struck, held, program


# --- what may be in its way --------------------------------------------------------------------------------


def will_come_again(at: Situation) -> None:
    at.message.is_void = True


def was_answered(at: Situation) -> None:
    at.seen.read({KEY: ""})


def names_another_run(at: Situation) -> None:
    command = at.cause.command
    assert isinstance(command, AwaitOutcome | Describe | Query | Update)
    at.cause.command = replace(command, run_id="run-0")


def was_taken_by_another_run(at: Situation) -> None:
    was_answered(at)
    names_another_run(at)


def comes_again(at: Situation) -> None:
    at.cause.redelivered = True


def has_struck(at: Situation) -> None:
    at.struck = replace(at.struck, run_id="run-1", causes={CAUSE: "it hangs"})


def its_handler_has_struck(at: Situation) -> None:
    at.struck = replace(at.struck, run_id="run-1", queries={QUERY + "q": "it hangs"})


def is_struck(at: Situation) -> None:
    at.struck = replace(at.struck, run_id="run-1", requests={CAUSE: "it hangs"})


def is_struck_and_has_no_room(at: Situation) -> None:
    is_struck(at)
    code = at.rig.instance.code
    assert isinstance(code, ScriptedCode)
    code.sets_aside = False


def lacks_its_format(at: Situation) -> None:
    at.rig.instance.codec = CODEC.writing(2)


def has_no_program(at: Situation) -> None:
    at.rig.instance.live.forget()


def has_no_program_and_a_long_log(at: Situation) -> None:
    for _ in range(6):
        at.rig.send(Signal(name="go"))
    at.rig.instance.live.forget()


Hindrance = Callable[[Situation], None]

QUESTIONS: dict[str, tuple[Command | AwaitOutcome, Mapping[Hindrance, type[Gate]], type[Gate]]] = {
    "a signal": (
        Signal(name="go", caller=CALLER),
        {
            will_come_again: Void,
            is_struck_and_has_no_room: SuspendFirst,
            has_no_program_and_a_long_log: RebuildInSlices,
        },
        Pass,
    ),
    "an update": (
        Update(update_id="u-1", name="add", caller=CALLER),
        {
            will_come_again: Void,
            was_taken_by_another_run: TakenByAnotherRun,
            was_answered: AnswerAgain,
            lacks_its_format: LookUpFormat,
            is_struck: Refuse,
            has_no_program_and_a_long_log: RebuildInSlices,
        },
        Pass,
    ),
    "an update that is new": (
        Update(update_id="u-1", name="add", caller=CALLER),
        {
            will_come_again: Void,
            names_another_run: AboutAnotherRun,
            lacks_its_format: LookUpFormat,
            has_no_program_and_a_long_log: RebuildInSlices,
        },
        Pass,
    ),
    "a start": (
        START,
        {
            will_come_again: Void,
            was_answered: AnswerAgain,
            comes_again: LookUpStrikes,
            has_no_program_and_a_long_log: RebuildInSlices,
        },
        BeginRun,
    ),
    "a start with attributes that this host has not heard of": (
        start(
            "run-2",
            conflict_policy=START.conflict_policy,
            search_attributes={"Unheard": AttributeValue(Type.INT, 1)},
        ),
        {will_come_again: Void, lacks_its_format: LookUpFormat, comes_again: LookUpStrikes},
        LookUpAttributes,
    ),
    "a start after many": (
        START,
        {
            will_come_again: Void,
            comes_again: LookUpStrikes,
            has_no_program_and_a_long_log: RebuildInSlices,
        },
        BeginRun,
    ),
    "a start that asks from elsewhere": (
        start("run-1", caller=Caller("new replies", "call-1"), wants_result=True),
        {
            will_come_again: Void,
            was_answered: AskedFromElsewhere,
            has_no_program_and_a_long_log: RebuildInSlices,
        },
        Pass,
    ),
    "a query": (
        Query(name="q", caller=CALLER),
        {
            will_come_again: Void,
            was_answered: AnswerAgain,
            names_another_run: AboutAnotherRun,
            its_handler_has_struck: Refuse,
            has_no_program_and_a_long_log: RebuildInSlices,
            has_no_program: RebuildAtOnce,
        },
        Pass,
    ),
    "a description": (
        Describe(caller=CALLER),
        {
            will_come_again: Void,
            names_another_run: AboutAnotherRun,
            has_no_program_and_a_long_log: RebuildInSlices,
        },
        Pass,
    ),
    "who waits": (
        AwaitOutcome(caller=CALLER),
        {will_come_again: Void, was_answered: AnswerAgain, names_another_run: AboutAnotherRun},
        WaitForOutcome,
    ),
    "a resumption": (
        Resume(caller=CALLER),
        {
            will_come_again: Void,
            has_struck: Refuse,
            has_no_program_and_a_long_log: RebuildInSlices,
            is_struck: ClearStrikes,
            its_handler_has_struck: ClearStrikes,
        },
        Pass,
    ),
    "a termination": (Terminate(caller=CALLER), {will_come_again: Void, was_answered: AnswerAgain}, Pass),
}
"""A command; what may be in its way and which gate that is, in the order in which it is asked for; the gate if
nothing is."""


@pytest.fixture(autouse=True)
def short_logs(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (log, state):
        monkeypatch.setattr(module, "CHUNK", 2)
    monkeypatch.setattr(gates, "LONG_LOG", 4)


def situations(kind: str) -> Iterator[tuple[Situation, type[Gate]]]:
    """With all that may be in its way, in all combinations; and the gate that it is to meet."""
    command, questions, last = QUESTIONS[kind]
    for count in range(len(questions) + 1):
        for hindrances in combinations(questions, count):
            situation = Situation(command)
            for hindrance in hindrances:
                hindrance(situation)
            yield situation, questions[hindrances[0]] if hindrances else last


@pytest.mark.parametrize("kind", QUESTIONS)
def test_of_all_that_is_in_its_way_a_cause_meets_what_is_asked_first(kind: str) -> None:
    for situation, expected in situations(kind):
        assert type(situation.gate()) is expected


@pytest.mark.parametrize("kind", QUESTIONS)
def test_who_looks_at_the_gates_changes_nothing(kind: str) -> None:
    for situation, _ in situations(kind):
        before = situation.looks()
        first = situation.gate()
        assert situation.gate() == first
        assert situation.looks() == before


def test_no_gate_is_there_for_nobody() -> None:
    met = {gate for _, questions, last in QUESTIONS.values() for gate in (*questions.values(), last)}
    assert met | {ReadMail} == set(get_args(Gate))


# --- each for itself -----------------------------------------------------------------------------------------


def test_what_the_database_keeps_is_read_from_where_it_says() -> None:
    situation = Situation(Resume())
    situation.cause = MoreMail(7)
    assert situation.gate() == ReadMail(7)


def test_a_command_is_answered_again_as_it_was_refused_then_whatever_is_so_now() -> None:
    situation = Situation(Signal(name="go", caller=CALLER))
    situation.seen.read({KEY: "closed"})
    assert situation.gate() == AnswerAgain("closed")


def test_a_start_that_was_refused_is_not_taken_for_one_that_asks_for_more() -> None:
    situation = Situation(start("run-1", caller=Caller("new replies", "call-1"), wants_result=True))
    situation.seen.read({KEY: "already_started"})
    assert situation.gate() == AnswerAgain("already_started")


def test_a_start_from_elsewhere_passes_under_its_new_name() -> None:
    command = start("run-1", caller=Caller("new replies", "call-1"), wants_result=True)
    situation = Situation(command)
    was_answered(situation)
    found = situation.gate()
    assert found == AskedFromElsewhere("workflow.start.again m-1")
    assert isinstance(found, AskedFromElsewhere)
    situation.cause.name = found.name
    assert situation.gate() == Pass(command)


def test_a_command_of_which_nothing_is_known_waits_for_nothing() -> None:
    """If it came before, its commit finds that out."""
    situation = Situation(Signal(name="go"))
    assert situation.gate() == Pass(situation.cause.command)  # type: ignore[arg-type]


def test_a_start_that_comes_again_begins_its_run_once_its_strikes_are_known() -> None:
    situation = Situation(START)
    comes_again(situation)
    assert situation.gate() == LookUpStrikes("run-2")
    situation.struck = Struck().of("run-2")
    assert situation.gate() == BeginRun(START)


def test_strikes_are_not_looked_up_for_a_start_that_cannot_begin_a_run() -> None:
    situation = Situation(start("run-2"))  # the one that is there is open
    comes_again(situation)
    assert situation.gate() == Pass(situation.cause.command)  # type: ignore[arg-type]


def test_a_run_that_is_named_is_no_other_one_while_there_is_none() -> None:
    situation = Situation(Describe(run_id="run-1", caller=CALLER))
    situation.rig = Rig(ScriptedCode([]))
    assert isinstance(situation.gate(), Pass)


def test_the_current_run_may_be_named() -> None:
    assert isinstance(Situation(Query(name="q", run_id="run-1", caller=CALLER)).gate(), Pass)


def test_a_query_that_struck_in_another_run_is_asked() -> None:
    situation = Situation(Query(name="q", caller=CALLER))
    situation.struck = Struck("run-0", queries={QUERY + "q": "it hangs"})
    assert isinstance(situation.gate(), Pass)


def test_a_query_of_the_handler_of_all_names_is_refused_once_the_program_has_said_whose_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ScriptedProgram, "query_handler", lambda self, name: None)
    situation = Situation(Query(name="any", caller=CALLER))
    situation.struck = Struck("run-1", queries={DYNAMIC_QUERY: "it hangs"})
    has_no_program(situation)
    instance = situation.rig.instance
    assert situation.gate() == RebuildAtOnce(next_input(instance.state))
    for _ in instance.rebuild():
        continue
    found = situation.gate()
    assert isinstance(found, Refuse)
    assert found.caller == CALLER
    assert found.error[0] == "query_failed"
    assert "'any' is not run for workflow 'w' any more: it hangs" in found.error[1]


def test_a_program_that_cannot_be_rebuilt_is_tried_once_for_a_query() -> None:
    situation = Situation(Query(name="q", caller=CALLER))
    has_no_program(situation)
    situation.rig.instance.quarantine("it hangs")
    assert isinstance(situation.gate(), RebuildAtOnce)
    for _ in situation.rig.instance.rebuild():
        continue
    assert isinstance(situation.gate(), Pass)


def test_who_resumes_what_this_very_request_has_killed_hosts_with_is_told_so() -> None:
    situation = Situation(Resume(caller=CALLER))
    has_struck(situation)
    assert situation.gate() == Refuse(CALLER, ("rejected", "workflow 'w' stays suspended: it hangs"))


def test_strikes_of_queries_stay_while_there_are_others() -> None:
    situation = Situation(Resume(caller=CALLER))
    situation.struck = Struck("run-1", causes={"another": "it hangs"}, queries={QUERY + "q": "it hangs"})
    assert isinstance(situation.gate(), Pass)


def test_what_a_long_rebuild_meets_is_blamed_on_the_cause_but_for_a_query() -> None:
    for command, mark in ((Signal(name="go"), CAUSE), (Query(name="q", caller=CALLER), None)):
        situation = Situation(command)
        has_no_program_and_a_long_log(situation)
        assert situation.gate() == RebuildInSlices(mark or next_input(situation.rig.state))


@pytest.mark.parametrize("command", [Suspend(), Terminate()])
def test_what_keeps_the_code_from_running_does_not_wait_for_it(command: Suspend | Terminate) -> None:
    situation = Situation(command)
    has_no_program_and_a_long_log(situation)
    assert situation.gate() == Pass(command)


def test_a_log_is_long_beyond_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    situation = Situation(Signal(name="go"))
    has_no_program_and_a_long_log(situation)
    length = len(situation.rig.state.log)
    monkeypatch.setattr(gates, "LONG_LOG", length)
    assert isinstance(situation.gate(), Pass)
    monkeypatch.setattr(gates, "LONG_LOG", length - 1)
    assert isinstance(situation.gate(), RebuildInSlices)


def test_a_wake_up_is_nobodys_message_and_passes() -> None:
    situation = Situation(Resume())
    situation.cause = Cause(Signal(name="go"), name="wake-up")
    assert situation.gate() == Pass(Signal(name="go"))
