"""Whatever a question about another run meets, it is done with: else it would hold up its partition."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from itertools import count, pairwise
from typing import Any

import cbor2
import pytest
from msgspec.structs import replace

from dalsegno.actors.supervisor.outbox.outbox import Outbox
from dalsegno.actors.supervisor.people.other_runs import FoundRun, OtherRuns
from dalsegno.actors.workflow_actor.blame import LETTING_GO, NOBODY
from dalsegno.actors.workflow_actor.interface.cause import AwaitOutcome, Cause
from dalsegno.actors.workflow_actor.interface.commands import Caller, Resume, Suspend, WakeUp
from dalsegno.actors.workflow_actor.queries.commands import Query
from dalsegno.actors.workflow_actor.queries.strikes import DYNAMIC_QUERY
from dalsegno.actors.workflow_actor.run.apply import fold
from dalsegno.actors.workflow_actor.stored.codec import CODEC
from dalsegno.actors.workflow_actor.updates.commands import Update
from dalsegno.broker.port import Outcome
from dalsegno.broker.protocol import messages as wire
from dalsegno.broker.protocol.codec import decode
from dalsegno.broker.protocol.messages import Reply
from dalsegno.errors import TooSlowError, UnreadableRowError
from dalsegno.persistence.port import LoadedInstance
from tests.supervisor.mail import command, start
from tests.supervisor.outbox.carrier import Origin, Shell
from tests.supervisor.scripted_world import NoWatch, ScriptedWorld
from tests.workflow_actor.rig import ScriptedCode, ScriptedProgram, activity
from tests.workflow_actor.run.test_continue_as_new import goes_on, open_rig, signal, update


class Reader:
    def __init__(self, row: LoadedInstance | Exception | None, strikes: dict[tuple[str, str], int]) -> None:
        self.row = row
        self.written = 1
        self._strikes = strikes

    def format_written(self) -> int:
        return self.written

    def strikes(self, run_ids: Sequence[str]) -> dict[tuple[str, str], int]:
        return self._strikes

    def load_run(self, run_id: str) -> LoadedInstance | None:
        if isinstance(self.row, Exception):
            raise self.row
        return self.row


class Store:
    def __init__(self, row: LoadedInstance | Exception | None, strikes: dict[tuple[str, str], int]) -> None:
        self.reader = Reader(row, strikes)

    async def fetch(self, query: Callable[[Any], Any]) -> Any:
        return query(self.reader)


@pytest.fixture
def open_run() -> LoadedInstance:
    world = ScriptedWorld(ScriptedCode([[activity(1)]]))
    world.own()
    world.deliver(start())
    world.go_on()
    return world.database.rows["w"]


class Asked:
    """The answer to one command about a run; `strikes` are that run's."""

    def __init__(
        self,
        command: AwaitOutcome | Query | Update,
        row: LoadedInstance | Exception | None,
        *,
        code: Any = None,
        strikes: dict[tuple[str, str], int] | None = None,
        watch: NoWatch | None = None,
        call_later: Any = None,
    ) -> None:
        self.shell = Shell()
        outbox = Outbox(self.shell, self.shell)
        outbox.publisher_opened()
        self.origin = Origin()
        self.cause = Cause(command, name="query m", origin=self.origin, message_id="m")
        self.followed: list[Cause] = []
        """What was about a run that has gone on as another."""
        store = Store(row, strikes or {})
        self.reader = store.reader
        self.other_runs = OtherRuns(
            outbox,
            store,
            code or ScriptedCode([[activity(1)]]),
            10_000,
            watch=watch or NoWatch(),
            call_later=call_later or (lambda _, callback: asyncio.get_running_loop().call_soon(callback)),
            monotonic=count().__next__,  # a second at each look: one step is a slice
        )

    async def answer(self) -> Reply | None:
        self.other_runs.answer("w", self.cause, self.followed.append)
        for _ in range(10):
            await asyncio.sleep(0)
        assert self.followed == []
        published = self.shell.take()
        for outgoing in published:
            outgoing.on_outcome(Outcome.CONFIRMED)
        assert self.origin.removed == 1
        if not published:
            return None
        reply = decode(published[0].message)
        assert isinstance(reply, Reply)
        return reply


CALLER = Caller("dalsegno.reply.c", "call")


@pytest.mark.parametrize(
    "command",
    [
        AwaitOutcome(caller=CALLER),
        AwaitOutcome(update_id="u-1", caller=CALLER),
        Update(update_id="u-1", name="add", caller=CALLER),
    ],
    ids=["result", "outcome of an update", "update"],
)
async def test_a_run_whose_end_is_not_written_yet_is_to_be_asked_for_again(
    open_run: LoadedInstance, command: AwaitOutcome | Update
) -> None:
    """A start has taken its place in memory, and is being committed. That an update was accepted would be said
    by a copy of the run, of which nothing is kept."""
    reply = await Asked(replace(command, run_id=open_run.run_id), open_run).answer()
    assert reply is not None
    assert reply.error is not None
    assert reply.error.code == "moved"


@pytest.mark.parametrize(("written", "code"), [(CODEC.newest + 1, "moved"), (CODEC.newest, "rejected")])
@pytest.mark.parametrize("command", [AwaitOutcome(caller=CALLER), Query(name="q", caller=CALLER)])
async def test_a_run_that_a_newer_version_may_have_written_is_to_be_asked_for_again(
    open_run: LoadedInstance, command: AwaitOutcome | Query, written: int, code: str
) -> None:
    """Of the host to which the partition goes."""
    newer = cbor2.dumps([CODEC.newest + 1, []])
    row = replace(open_run, journal=tuple(replace(row, events=newer) for row in open_run.journal))
    asked = Asked(replace(command, run_id=row.run_id), row)
    asked.reader.written = written
    reply = await asked.answer()
    assert reply is not None
    assert reply.error is not None
    assert reply.error.code == code
    assert "written by a newer version of dalsegno" in reply.error.message


async def test_a_defect_met_by_a_query_is_its_answer(open_run: LoadedInstance) -> None:
    class Broken(ScriptedCode):
        def build(self, info: Any, signed: Any, patches: Any = ()) -> Any:
            raise ZeroDivisionError

    query = Query(name="q", run_id=open_run.run_id, caller=CALLER)
    reply = await Asked(query, open_run, code=Broken([])).answer()
    assert reply is not None
    assert reply.error is not None
    assert reply.error.code == "rejected"


@pytest.mark.parametrize("error", [TooSlowError, UnreadableRowError])
async def test_who_asks_for_what_cannot_be_read_is_told_so(error: type[Exception]) -> None:
    reply = await Asked(Query(name="q", run_id="r", caller=CALLER), error("Ask for less.")).answer()
    assert reply is not None
    assert reply.error is not None
    assert (reply.error.code, reply.error.message) == ("rejected", "Ask for less.")


async def test_a_row_that_cannot_be_read_holds_up_nobody() -> None:
    assert await Asked(Query(name="q", run_id="r", caller=CALLER), TypeError("a defect")).answer() is None


async def test_a_query_that_has_killed_hosts_is_not_run_again(open_run: LoadedInstance) -> None:
    query = Query(name="q", run_id=open_run.run_id, caller=CALLER)
    code = ScriptedCode([[activity(1)]])
    reply = await Asked(query, open_run, code=code, strikes={(open_run.run_id, "query q"): 2}).answer()
    assert reply is not None
    assert reply.error is not None
    assert "2 times" in reply.error.message
    assert code.built == []


async def test_a_handler_of_all_names_that_has_killed_hosts_is_not_run_again(open_run: LoadedInstance) -> None:
    class Dynamic(ScriptedProgram):
        def query_handler(self, name: str) -> str | None:
            return None

    code = ScriptedCode([[activity(1)]])
    code.build = lambda info, signed, patches: Dynamic(code.script, 0)  # type: ignore[method-assign]
    query = Query(name="q", run_id=open_run.run_id, caller=CALLER)
    reply = await Asked(query, open_run, code=code, strikes={(open_run.run_id, DYNAMIC_QUERY): 2}).answer()
    assert reply is not None
    assert reply.error is not None
    assert "2 times" in reply.error.message


async def test_another_query_of_that_run_is_answered(open_run: LoadedInstance) -> None:
    query = Query(name="r", run_id=open_run.run_id, caller=CALLER)
    reply = await Asked(query, open_run, strikes={(open_run.run_id, "query q"): 2}).answer()
    assert reply is not None
    assert reply.error is None


async def test_a_run_whose_code_killed_hosts_answers_no_query_at_all(open_run: LoadedInstance) -> None:
    query = Query(name="r", run_id=open_run.run_id, caller=CALLER)
    reply = await Asked(query, open_run, strikes={(open_run.run_id, "input 2 since 2023"): 2}).answer()
    assert reply is not None
    assert reply.error is not None
    assert "2 times at: input 2" in reply.error.message


async def test_what_runs_again_for_a_query_is_not_under_the_mark_of_the_query(open_run: LoadedInstance) -> None:
    marks = []

    class Marks(NoWatch):
        def enter(self, run_id: str, cause: str, code: str) -> None:
            assert run_id == open_run.run_id
            marks.append(cause)

    query = Query(name="q", run_id=open_run.run_id, caller=CALLER)
    assert await Asked(query, open_run, watch=Marks()).answer() is not None
    replay, handler, end = dict.fromkeys(marks)
    assert replay.startswith("input ")
    assert handler == "query q"
    assert end == LETTING_GO


async def test_code_that_takes_long_to_bring_back_lets_others_have_the_loop_after_each_step() -> None:
    world = ScriptedWorld(ScriptedCode([[activity(1)]]))
    world.own()
    world.deliver(start())
    for number in range(20):
        world.deliver(command(wire.SignalWorkflow(workflow_id="w", name="s"), f"signal-{number}"))
    world.go_on()
    row = world.database.rows["w"]
    turns: list[Callable[[], None]] = []
    code = ScriptedCode([[activity(1)]])
    query = Query(name="q", run_id=row.run_id, caller=CALLER)
    asked = Asked(query, row, code=code, call_later=lambda _, turn: turns.append(turn))
    for _ in range(2):
        found = asked.other_runs.load(row, written=1)
        asked.other_runs.begin(found, asked.cause, CALLER, asked.followed.append)
    seen = []
    while turns:
        turns.pop()()
        seen.append(sum(len(program.seen) for program in code.built))
        assert len(turns) <= 1
    assert max(after - before for before, after in pairwise([0, *seen])) == 1, "one input a slice"
    assert seen[-1] == 2 * 21
    assert len(asked.shell.take()) == 1  # the other waits for its confirm: it has the same key


async def test_what_is_looked_for_in_earlier_runs_is_not_sent_round_and_round(
    open_run: LoadedInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second run has taken the update along, and forgotten how it ended."""
    monkeypatch.setattr("dalsegno.actors.workflow_actor.updates.changes.OUTCOMES_MAX", 0)
    monkeypatch.setattr("dalsegno.actors.workflow_actor.updates.changes.OUTCOMES_DROPPED", 1)
    made, ended = open_rig(1), []
    made.send(Suspend(caller=CALLER))
    made.send(signal("go_on", 1))
    made.send(update("say", "pen"))
    for ends in (Resume(caller=CALLER), signal("go_on", 1)):
        before = made.state
        closed, _ = goes_on(made, ends)
        ended.append(fold(before, CODEC.decode_record(closed.events)))
        made.send(WakeUp(), held=False)
        made.send(signal("hear", "pen"))
    first, second = ended

    asked = Asked(Update(update_id="u-1", name="say", run_id=second.info.run_id, caller=CALLER), open_run)
    asked.cause.goes_back = True
    for state in (second, first, second):
        made.instance.state = state
        found = FoundRun(open_run, made.instance, NOBODY, may_be_newer=False)
        asked.other_runs.begin(found, asked.cause, CALLER, asked.followed.append)
    assert len(asked.followed) == 2
    await asyncio.sleep(0)
    (answer,) = asked.shell.take()
    told = decode(answer.message)
    assert isinstance(told, Reply)
    assert told.error is not None
