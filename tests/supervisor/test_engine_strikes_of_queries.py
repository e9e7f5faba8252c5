"""A query whose handler killed its host twice is not run a third time; its workflow and other queries go on."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from dalsegno.actors.supervisor.failing.strikes import STRIKES_LIMIT
from dalsegno.actors.workflow_actor.blame import LETTING_GO
from dalsegno.actors.workflow_actor.queries.strikes import DYNAMIC_QUERY
from dalsegno.actors.workflow_actor.run.inputs import Begin, Input
from dalsegno.broker.port import Message
from dalsegno.broker.protocol import messages as wire
from dalsegno.broker.protocol.ids import run_id
from dalsegno.policies import WorkflowStatus
from tests.partition_ids import FIRST
from tests.supervisor.mail import command, query, signal, start, terminate
from tests.supervisor.scripted_database import Database
from tests.supervisor.scripted_world import ScriptedWorld
from tests.supervisor.test_engine_strikes_of_other_code import Life, Mark, at_once, never
from tests.workflow_actor.rig import SECOND, T0, ScriptedCode, Step, activity, timer

RUN = run_id("w", "start-1")
STRUCK = (("query q @code-1", STRIKES_LIMIT),)


def ask(name: str, message_id: str) -> Message:
    return command(wire.QueryWorkflow(workflow_id="w", name=name), message_id)


def describe(message_id: str) -> Message:
    return command(wire.DescribeWorkflow(workflow_id="w"), message_id)


def running() -> Database:
    database = Database()
    assert Life(database, "code-1", never).live([start()])
    return database


def waits_for_a_timer(index: int, input_: Input) -> Step:
    return [timer(1, T0 + 5 * SECOND)] if isinstance(input_, Begin) else []


def struck_world() -> ScriptedWorld:
    """A workflow runs whose query q has killed two hosts; another has just come."""
    world = ScriptedWorld(ScriptedCode(waits_for_a_timer))
    world.database = running()
    world.database.strikes[RUN] = STRUCK
    world.own()
    return world


def refusals(world: ScriptedWorld) -> list[str]:
    return [reply.error.message for reply in world.replies() if reply.error is not None]


def test_a_query_that_kills_its_hosts_is_refused_and_its_workflow_goes_on() -> None:
    database = running()
    for number in range(STRIKES_LIMIT):
        life = Life(database, "code-1", never, deadly_queries={"q"})
        assert not life.live([ask("q", f"q{number}")]), "whatever its message ID"
        assert (life.mark.run_id, life.died_at) == (RUN, "query q")
    life = Life(database, "code-1", never, deadly_queries={"q"})
    assert life.live([ask("q", "again"), signal("s"), ask("r", "other")])
    assert database.rows["w"].status is WorkflowStatus.RUNNING
    assert "s" in database.seen["w"]
    (refusal,) = refusals(life.world)
    assert "'q' is not run for workflow 'w' any more" in refusal
    assert "workflow resume w" in refusal
    answered = {reply.result for reply in life.world.replies() if reply.result is not None}
    assert len(answered) == 1, "the other one"


def test_a_handler_of_all_names_that_kills_its_hosts_is_refused_by_whatever_name_it_is_asked() -> None:
    database = running()
    for number in range(STRIKES_LIMIT):
        life = Life(database, "code-1", never, deadly_queries={f"any {number}"})
        assert not life.live([ask(f"any {number}", f"q{number}")])
        assert life.died_at == DYNAMIC_QUERY
    life = Life(database, "code-1", never, deadly_queries={"any other"})
    assert life.live([ask("any other", "again"), ask("r", "of its own")])
    (refusal,) = refusals(life.world)
    assert "'any other' is not run for workflow 'w' any more" in refusal
    assert len([reply for reply in life.world.replies() if reply.result is not None]) == 1
    assert database.rows["w"].status is WorkflowStatus.RUNNING


def test_it_stays_refused_however_often_its_instance_is_put_away() -> None:
    world = struck_world()
    for number in range(3):
        world.deliver(signal(f"s{number}"))
        world.deliver(ask("q", f"q{number}"))
        world.go_on()
        assert len(refusals(world)) == number + 1
        world.live_through(15)
        assert world.engine.partitions[FIRST].actors.peek("w") is None
    assert world.database.strikes[RUN] == STRUCK


def test_other_code_is_asked_anew() -> None:
    database = running()
    database.strikes[RUN] = STRUCK
    life = Life(database, "code-2", never)
    assert life.live([ask("q", "q")])
    assert refusals(life.world) == []


def test_one_who_resumes_it_has_the_query_asked_again() -> None:
    world = struck_world()
    world.deliver(command(wire.ResumeWorkflow(workflow_id="w"), "r"))
    world.deliver(ask("q", "q"))
    world.go_on()
    assert refusals(world) == []
    assert RUN not in world.database.strikes


def test_strikes_of_a_query_are_not_held_against_its_start() -> None:
    """The host died of the query before the start that came with it was written."""
    world = ScriptedWorld(ScriptedCode([[activity(1)]]))
    world.database.strikes[RUN] = STRUCK
    world.own()
    world.deliver(start(), redelivered=True)
    world.deliver(ask("q", "q"), redelivered=True)
    world.go_on()
    assert world.status() is WorkflowStatus.RUNNING
    assert len(refusals(world)) == 1


def test_what_is_struck_in_one_run_is_asked_in_the_next() -> None:
    world = struck_world()
    world.deliver(terminate("t"))
    world.deliver(start("start-2"))
    world.deliver(ask("q", "q"))
    world.go_on()
    assert world.status() is WorkflowStatus.RUNNING
    assert refusals(world) == []


def test_a_closed_run_answers_its_other_queries() -> None:
    world = struck_world()
    world.deliver(terminate("t"))
    world.go_on()
    world.deliver(ask("q", "q"))
    world.deliver(ask("r", "r"))
    world.go_on()
    assert len(refusals(world)) == 1
    assert any(reply.result is not None for reply in world.replies())


def test_strikes_that_were_written_by_message_suspend_the_run_as_before() -> None:
    world = ScriptedWorld(ScriptedCode([[activity(1)]]))
    world.database = running()
    world.database.strikes[RUN] = (("workflow.query q @code-1", STRIKES_LIMIT),)
    world.own()
    world.deliver(query("q"))
    world.go_on()
    assert world.status() is WorkflowStatus.SUSPENDED


@pytest.mark.parametrize("question", [ask("q", "m"), describe("m")], ids=["query", "describe"])
def test_what_was_run_before_and_kills_hosts_when_it_is_brought_back_for_a_question_suspends_the_run(
    question: Message,
) -> None:
    database = running()
    for _ in range(STRIKES_LIMIT):
        life = Life(database, "code-1", at_once)
        assert not life.live([question])
        assert (life.died_at or "").startswith("input "), life.died_at
    assert Life(database, "code-1", at_once).live([question])
    assert database.rows["w"].status is WorkflowStatus.SUSPENDED


def test_code_that_is_put_away_has_a_mark_of_its_own() -> None:
    """Its coroutines have something to do on their way out, and nobody's message is at fault for it."""
    marks: list[tuple[str, str]] = []

    class Marks(Mark):
        def enter(self, run_id: str, cause: str, code: str) -> None:
            marks.append((run_id, cause))

    world = ScriptedWorld(ScriptedCode([[]]), watch=Marks())
    world.own()
    world.deliver(start())
    world.go_on()
    world.live_through(15)
    assert world.engine.partitions[FIRST].actors.peek("w") is None
    assert marks[-1] == (RUN, LETTING_GO)


def test_a_resume_that_was_answered_before_gives_no_handler_another_chance(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = struck_world()
    load = world.database.load
    monkeypatch.setattr(world.database, "load", lambda workflow_id: replace(load(workflow_id), seen={}))
    world.database.known["w"]["workflow.resume", "old"] = ""
    tag = world.deliver(command(wire.ResumeWorkflow(workflow_id="w"), "old"))
    world.go_on()
    assert world.acknowledged() == tag
    assert world.database.strikes == {RUN: STRUCK}
    world.deliver(ask("q", "asked"))
    world.go_on()
    assert len(refusals(world)) == 1


def test_strikes_are_kept_until_the_resume_is_durable() -> None:
    world = struck_world()
    world.deliver(command(wire.ResumeWorkflow(workflow_id="w"), "resume"))
    world.run()
    world.loaded()
    world.run()
    assert world.rounds
    assert world.database.strikes == {RUN: STRUCK}
    world.go_on()
    assert world.database.strikes == {}
