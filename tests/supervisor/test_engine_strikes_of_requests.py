"""A signal whose handler killed its host twice goes into the quarantine, and an update is refused; the workflow
goes on. What cannot be taken from it suspends it, as do too many of them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from structlog.testing import capture_logs

from dalsegno.actors.supervisor.failing.strikes import STRIKES_LIMIT, struck
from dalsegno.actors.supervisor.partition.stored import instance_of
from dalsegno.actors.workflow_actor.run.inputs import Begin, Input
from dalsegno.actors.workflow_actor.run.intents import ContinueAsNew
from dalsegno.actors.workflow_actor.signals.events import Signaled
from dalsegno.actors.workflow_actor.signals.strikes import STRUCK_MAX
from dalsegno.actors.workflow_actor.stored.codec import CODEC
from dalsegno.actors.workflow_actor.struck_requests import REQUESTS, REQUESTS_MAX
from dalsegno.actors.workflow_actor.updates.events import Updated
from dalsegno.broker.port import Message
from dalsegno.broker.protocol import messages as wire
from dalsegno.broker.protocol.ids import run_id
from dalsegno.policies import WorkflowStatus
from tests.default_converter import to_payload
from tests.supervisor.mail import command, query, signal, start, terminate
from tests.supervisor.scripted_database import Database
from tests.supervisor.test_engine_strikes_of_other_code import Deadly, Life, at_timers, never
from tests.workflow_actor.rig import ScriptedCode, Step, payload

RUN = run_id("w", "start-1")


def named(name: str) -> Callable[[Input], bool]:
    """Code that dies of such a signal or update."""
    return lambda input_: isinstance(input_, Signaled | Updated) and input_.name == name


def bad(message_id: str) -> Message:
    return command(wire.SignalWorkflow(workflow_id="w", name="bad"), message_id)


def update(message_id: str) -> Message:
    return command(wire.UpdateWorkflow(workflow_id="w", update_id=message_id, name="bad"), message_id)


def settle(message_id: str, number: int = 1, action: wire.QuarantineAction = "retry") -> Message:
    return command(wire.ChangeQuarantine(workflow_id="w", number=number, action=action), message_id)


def describe(message_id: str) -> Message:
    return command(wire.DescribeWorkflow(workflow_id="w"), message_id)


def life_of(database: Database, source: str, deadly: Deadly = never, *, knows_type: bool = True) -> Life:
    life = Life(database, source, deadly, knows_type=knows_type)
    life.world.engine.format_written(CODEC.newest)
    return life


def running() -> Database:
    database = Database()
    assert life_of(database, "code-1").live([start()])
    return database


def deaths(database: Database, *mail: Message, sets_aside: bool = True) -> tuple[int, Life]:
    """How many hosts die of the mail, and the one that lives on."""
    for number in range(10):
        life = life_of(database, "code-1", named("bad"))
        life.world.code.sets_aside = sets_aside  # type: ignore[attr-defined]
        if life.live(list(mail)):
            return number, life
    raise AssertionError(f"they die again and again: {database.strikes}")


def shown(life: Life) -> wire.Description:
    life.world.deliver(describe("look"))
    life.world.go_on()
    (found,) = (reply.description for reply in life.world.replies() if reply.description is not None)
    return found


def refusals(life: Life) -> list[str]:
    return [reply.error.message for reply in life.world.replies() if reply.error is not None]


def test_a_signal_that_kills_its_hosts_is_set_aside_and_the_workflow_goes_on() -> None:
    database = running()
    died, life = deaths(database, bad("s1"), signal("s2"))
    assert died == STRIKES_LIMIT
    found = shown(life)
    assert found.status is WorkflowStatus.RUNNING
    (kept,) = found.quarantine
    assert (kept.number, kept.name) == (1, "bad")
    assert "that did not yield, or killed its host, 2 times" in kept.reason
    assert {"s1", "s2"} <= {message_id for _, message_id in database.known["w"]}, "their senders are told so"
    assert refusals(life) == []
    assert deaths(database, bad("s1"), signal("s3"))[0] == 0, "nor is it given again, with whatever comes"


def test_one_that_is_tried_again_with_the_same_code_stays_and_who_tried_it_is_told() -> None:
    database = running()
    deaths(database, bad("s1"))
    died, life = deaths(database, settle("again"))
    assert died == STRIKES_LIMIT
    assert ["is not given to workflow 'w' again" in told for told in refusals(life)] == [True]
    found = shown(life)
    assert (found.status, len(found.quarantine)) == (WorkflowStatus.RUNNING, 1)


def test_mended_code_is_given_it_by_who_tries_it_again() -> None:
    database = running()
    deaths(database, bad("s1"))
    life = life_of(database, "code-2")
    assert life.live([settle("again")])
    assert shown(life).quarantine == ()
    assert refusals(life) == []


def test_a_signal_that_is_set_aside_is_logged_once_with_the_command_that_shows_it() -> None:
    database = running()
    with capture_logs() as logs:
        deaths(database, bad("s1"))
        assert deaths(database, signal("s2"))[0] == 0
    (line,) = [entry for entry in logs if entry["event"] == "signal_quarantined"]
    assert (line["log_level"], line["workflow_id"], line["workflow_type"]) == ("error", "w", "order")
    assert (line["run_id"], line["signal"], line["number"]) == (RUN, "bad", 1)
    assert "that did not yield, or killed its host" in line["reason"]
    assert line["hint"] == "dalsegno workflow quarantine list w"


def hears(database: Database) -> list[str]:
    """The signals that the current run's code has been given, in order."""
    row = database.load("w").instance
    assert row is not None
    state = instance_of(row, ScriptedCode([]), history_limit=10_000).state
    assert state is not None
    inputs = (state.log[index].input for index in range(state.processed))
    return [str(input_.args[0].data, "utf-8") for input_ in inputs if isinstance(input_, Signaled)]


def test_what_a_replay_that_kills_hosts_has_had_blamed_is_given_again_in_order_once_the_code_is_mended() -> (
    None
):
    """The code dies of what it was given long ago, as it is brought back: each signal that has a host do so is
    taken for the cause, until the workflow is suspended."""
    database = running()
    args = [to_payload(str(number)) for number in range(STRUCK_MAX + 1)]
    mail = [
        command(wire.SignalWorkflow(workflow_id="w", name="go", args=(args[number],)), f"s{number}")
        for number in range(STRUCK_MAX + 1)
    ]
    for sent in mail:
        while not life_of(database, "code-1", lambda input_: isinstance(input_, Begin)).live([sent]):
            continue
    life = life_of(database, "code-2")
    assert life.live([])
    found = shown(life)
    assert [(kept.number, kept.name) for kept in found.quarantine] == [(1, "go"), (2, "go"), (3, "go")]

    for number in (1, 2, 3):
        life = life_of(database, "code-2")
        assert life.live([settle(f"again {number}", number)])

    last = shown(life)
    assert (last.status, last.quarantine) == (WorkflowStatus.RUNNING, ())
    assert hears(database) == ['"3"', '"0"', '"1"', '"2"'], "the one that suspended it was recorded"


def test_of_several_that_were_recorded_before_none_is_blamed_and_the_workflow_is_suspended() -> None:
    """By a host that has no code for it; the code dies when it works off what came."""
    database = running()
    assert life_of(database, "", knows_type=False).live([signal("s1"), bad("s2"), signal("s3")])
    died, life = deaths(database)
    assert died == STRIKES_LIMIT
    found = shown(life)
    assert (found.status, found.quarantine) == (WorkflowStatus.SUSPENDED, ())


def test_an_update_that_kills_its_hosts_is_refused_and_the_workflow_goes_on() -> None:
    database = running()
    died, life = deaths(database, update("u1"), signal("s1"))
    assert died == STRIKES_LIMIT
    (told,) = refusals(life)
    assert "the update 'bad' is not given to workflow 'w' again" in told
    assert shown(life).status is WorkflowStatus.RUNNING
    assert life_of(database, "code-2").live([update("u1")])


def test_a_workflow_that_wants_it_so_is_suspended_and_the_signal_waits() -> None:
    database = running()
    died, life = deaths(database, bad("s1"), sets_aside=False)
    assert died == STRIKES_LIMIT
    found = shown(life)
    assert (found.status, found.quarantine) == (WorkflowStatus.SUSPENDED, ())
    assert "workflow.signal s1" in (found.suspended_reason or "")


def test_where_too_many_signals_have_killed_hosts_the_workflow_is_suspended() -> None:
    database = running()
    for number in range(STRUCK_MAX):
        assert deaths(database, bad(f"s{number}"))[0] == STRIKES_LIMIT
        assert database.rows["w"].status is WorkflowStatus.RUNNING
    died, life = deaths(database, bad("one more"))
    assert died == STRIKES_LIMIT
    found = shown(life)
    assert (found.status, len(found.quarantine)) == (WorkflowStatus.SUSPENDED, STRUCK_MAX)


def test_where_there_is_no_room_for_one_its_workflow_is_suspended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dalsegno.actors.workflow_actor.signals.set_aside.QUARANTINE_BYTES_MAX", 0)
    database = running()
    large = wire.SignalWorkflow(workflow_id="w", name="bad", args=(payload(),))
    died, life = deaths(database, command(large, "s1"))
    assert died == STRIKES_LIMIT
    assert shown(life).status is WorkflowStatus.SUSPENDED
    assert "s1" in {message_id for _, message_id in database.known["w"]}


def test_what_kills_at_anything_else_suspends() -> None:
    database = Database()
    for _ in range(STRIKES_LIMIT):
        assert not life_of(database, "code-1", at_timers).live([start()])
    assert life_of(database, "code-1", at_timers).live([])
    assert database.rows["w"].status is WorkflowStatus.SUSPENDED


def test_a_run_that_has_ended_refuses_a_struck_signal_as_any_other() -> None:
    database = running()
    database.strikes[RUN] = (("workflow.signal s1 @code-1", STRIKES_LIMIT),)
    life = life_of(database, "code-1")
    assert life.live([terminate("t"), bad("s1"), query("q")])
    assert len(refusals(life)) == 1


@pytest.mark.parametrize("message", [update("u1"), settle("u1")], ids=["update", "quarantine"])
def test_what_has_struck_is_told_that_its_run_has_ended_and_not_to_deploy_other_code(message: Message) -> None:
    database = running()
    database.strikes[RUN] = tuple((f"{kind}u1 @code-1", STRIKES_LIMIT) for kind in REQUESTS)
    life = life_of(database, "code-1")
    assert life.live([terminate("t"), message])
    assert [reply.error.code for reply in life.world.replies() if reply.error is not None] == ["closed"]


def test_who_resumes_the_workflow_has_struck_updates_tried_again() -> None:
    database = running()
    deaths(database, update("u1"))
    life = life_of(database, "code-1")
    assert life.live([command(wire.ResumeWorkflow(workflow_id="w"), "r"), update("u1")])
    assert refusals(life) == []
    assert RUN not in database.strikes


def test_of_more_requests_than_one_may_be_at_fault_the_code_is() -> None:
    strikes = [(f"workflow.update u{number} @code", STRIKES_LIMIT) for number in range(REQUESTS_MAX)]
    assert struck(strikes, "code").reason is None
    assert struck([*strikes, ("workflow.signal s @code", STRIKES_LIMIT)], "code", sets_aside=True).reason


def test_the_marks_of_requests_are_the_types_of_their_messages() -> None:
    types = (wire.SignalWorkflow.TYPE, wire.UpdateWorkflow.TYPE, wire.ChangeQuarantine.TYPE)
    assert [mark.strip() for mark in REQUESTS] == list(types)


def test_an_input_is_one_that_is_begun() -> None:
    assert not named("bad")(Begin())


class GoesOn(Life):
    """Goes on as another run when it is told to."""

    def _step(self, index: int, input_: Input) -> Step:
        step = super()._step(index, input_)
        is_told = isinstance(input_, Signaled) and input_.name == "go_on"
        return [ContinueAsNew(args=())] if is_told else step


def survives(life: Life, mail: list[Message]) -> bool:
    life.world.engine.format_written(CODEC.newest)
    return life.live(mail)


def test_a_signal_right_behind_the_end_of_a_run_does_not_kill_hosts_for_ever() -> None:
    """Strikes against the run that follows are found when that is durable, and not before."""
    database = running()
    go_on = command(wire.SignalWorkflow(workflow_id="w", name="go_on"), "g")
    died, life = 0, GoesOn(database, "code-1", named("bad"))
    while not survives(life, [go_on, bad("s1"), signal("s2")]):
        died, life = died + 1, GoesOn(database, "code-1", named("bad"))
        assert died <= STRIKES_LIMIT, database.strikes
    assert died == STRIKES_LIMIT
    found = shown(life)
    assert (found.status, found.continued_run_id) == (WorkflowStatus.SUSPENDED, RUN)
    assert {"g", "s1", "s2"} <= {message_id for _, message_id in database.known["w"]}
