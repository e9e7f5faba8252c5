"""Mail of the database that an actor has asked for, and that is found when another has taken its place: it is
the other's only if he has asked for the same. Who has asked stays until it is found."""

from __future__ import annotations

import pytest

from dalsegno.actors.workflow_actor.open_turn import TurnState
from dalsegno.actors.workflow_actor.signals.commands import Signal
from dalsegno.partition_id import PartitionID
from dalsegno.policies import WorkflowStatus
from tests.partition_ids import FIRST
from tests.supervisor.mail import signal
from tests.supervisor.opened import LATER, LOCAL, Opened, finish
from tests.supervisor.scripted_world import ScriptedWorld
from tests.supervisor.test_engine_halted import begun, signals_in, unreadable
from tests.workflow_actor.rig import DONE, ScriptedCode, timer

pytestmark = pytest.mark.usefixtures("quiet", "local")


class SlowMail:
    """Mail for workflow w is in the database, and is found when the test says so."""

    def __init__(self, world: ScriptedWorld, signals: int) -> None:
        self._world = world
        self.asked: list[tuple[PartitionID, str, int]] = []
        unreadable(world)
        for number in range(signals):
            world.deliver(signal(f"s{number}"))
        world.go_on()
        assert len(world.database.mail) == signals
        world.database.unreadable.clear()
        world.read_mail = lambda *asked: self.asked.append(asked)  # type: ignore[method-assign]

    def until_asked(self, times: int) -> None:
        for _ in range(200):
            if len(self.asked) >= times:
                return
            self._world.live_through(0.1)
        raise AssertionError("it does not ask")

    def found(self) -> None:
        """What was asked for first."""
        partition, workflow_id, after = self.asked.pop(0)
        found = self._world.database.mail_of(workflow_id, after)
        self._world.engine.mail_found(partition, workflow_id, after, found)
        self._world.run()

    def all_found(self) -> None:
        for _ in range(50):
            while self.asked:
                self.found()
            self._world.live_through(0.1)


def test_mail_keeps_its_order_over_a_commit_that_fails_between_two_pages(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("dalsegno.actors.supervisor.deliveries.mail.PAGE", 2)
    monkeypatch.setattr("tests.supervisor.scripted_database.PAGE", 2)
    world = begun(ScriptedCode([[timer(9, LATER)], [], [], [], []]))
    mail = SlowMail(world, 4)
    mail.until_asked(1)
    mail.found()
    assert world.rounds, "the first page is being written"
    world.commit_fails()
    mail.until_asked(2)
    assert mail.asked[0][2] > mail.asked[1][2] == 0, "the second page, by the actor before"
    mail.all_found()
    assert signals_in(world) == [f"s{number}" for number in range(4)]
    assert world.database.mail == {}


@pytest.mark.parametrize("state", [TurnState.PREPARING, TurnState.WORKING])
def test_mail_that_is_found_twice_does_not_come_before_the_turn_that_the_first_has_opened(
    state: TurnState,
) -> None:
    is_working = state is TurnState.WORKING
    opened = Opened(code=ScriptedCode([[timer(9, LATER)], [LOCAL] if is_working else [], [], [], []]))
    world = opened.world
    mail = SlowMail(world, 2)
    opened.off_loop.slow = () if is_working else (Signal,)
    mail.until_asked(1)
    before = world.engine.partitions[FIRST].actors.peek("w")
    assert isinstance(world.code, ScriptedCode)
    world.code.source = "code-2"
    world.engine.code_changed()
    mail.until_asked(2)
    assert opened.actor is not before
    mail.found()
    turn = opened.actor.turn
    assert turn is not None
    assert turn.state is state
    mail.found()
    assert opened.actor.actor_inbox[0] is turn.cause
    assert [cause.name for cause in opened.actor.actor_inbox] == [
        "workflow.signal s0",
        "workflow.signal s1",
    ]
    finish(opened)
    mail.all_found()
    assert signals_in(world) == ["s0", "s1"]
    assert world.database.mail == {}


def test_a_run_that_ends_while_more_of_its_mail_is_being_read_stays_until_it_is_worked_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("dalsegno.actors.supervisor.deliveries.mail.PAGE", 1)
    monkeypatch.setattr("tests.supervisor.scripted_database.PAGE", 1)
    world = begun(ScriptedCode([[timer(1, LATER)], [DONE]]))
    mail = SlowMail(world, 3)
    mail.until_asked(1)
    mail.found()
    mail.until_asked(1)
    world.live_through(1)  # the round is over, and so is the run
    assert world.status() is WorkflowStatus.COMPLETED

    mail.all_found()

    assert world.database.mail == {}
    assert world.engine.partitions[FIRST].standing_in.halted == {}
