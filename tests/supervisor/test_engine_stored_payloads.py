"""What user code has made for the payload store is there before its turn is sealed, whatever happens; where the
store does not take it, the instance waits unharmed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dalsegno.actors.workflow_actor.interface.commands import Command
from dalsegno.actors.workflow_actor.interface.waiting import KeepPieces, LocalWork, PiecesKept
from dalsegno.actors.workflow_actor.open_turn import KEEPING_SECONDS
from dalsegno.policies import WorkflowIDConflictPolicy, WorkflowStatus
from tests.partition_ids import FIRST
from tests.supervisor.mail import signal, start
from tests.supervisor.scripted_off_loop import ScriptedOffLoop
from tests.supervisor.scripted_world import ScriptedWorld
from tests.workflow_actor.rig import DONE, SECOND, T0, ScriptedCode, ScriptedProgram, timer

pytestmark = pytest.mark.usefixtures("quiet")
LATER = 2**52


class ScriptedStore(ScriptedOffLoop):
    """All of it is put by a test's word."""

    def __init__(self) -> None:
        super().__init__()
        self.keeping: list[tuple[KeepPieces, Callable[[Command | PiecesKept], None]]] = []
        self.given_up: list[LocalWork] = []

    def give_up(self, work: LocalWork) -> None:
        self.given_up.append(work)

    def work(self, work: LocalWork, done: Callable[[Command | PiecesKept], None]) -> None:
        assert isinstance(work, KeepPieces)
        self.keeping.append((work, done))

    def kept(self, why_not: str | None = None) -> None:
        work, done = self.keeping.pop(0)
        assert work.pieces == {"key": b"bytes"}
        done(PiecesKept(why_not))


class Making:
    """A world in which each step of w makes something for the store."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, code: ScriptedCode) -> None:
        monkeypatch.setattr(ScriptedProgram, "take_pieces", lambda _: {"key": b"bytes"})
        self.off_loop = ScriptedStore()
        self.world = ScriptedWorld(code, off_loop=self.off_loop)
        self.world.own()

    def tell(self, message: object) -> None:
        self.world.deliver(message)  # type: ignore[arg-type]
        self.world.go_on()

    def kept(self, why_not: str | None = None) -> None:
        self.off_loop.kept(why_not)
        self.world.go_on()

    def tried_again(self) -> None:
        for _ in range(100):
            if self.off_loop.keeping:
                return
            self.world.live_through(0.5)
        raise AssertionError("it is not tried again")

    @property
    def rows(self) -> int:
        known = self.world.database.rows.get("w")
        return 0 if known is None else len(known.journal)


def test_a_turn_is_sealed_when_what_it_has_made_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    making = Making(monkeypatch, ScriptedCode([[timer(1, LATER)], []]))
    making.tell(start())
    making.kept()  # loaded first: it was only taken to be new
    assert making.rows == 1
    making.tell(signal("s1"))
    assert making.rows == 1
    assert not making.world.rounds
    making.kept()
    assert making.rows == 2
    assert not making.off_loop.keeping


def test_its_bound_does_not_seal_it_before(monkeypatch: pytest.MonkeyPatch) -> None:
    making = Making(monkeypatch, ScriptedCode([[timer(1, LATER)], []]))
    making.tell(start())
    making.world.live_through(3)
    assert making.rows == 0
    making.kept()
    assert making.rows == 1


def test_what_takes_too_long_is_not_waited_for_and_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    making = Making(monkeypatch, ScriptedCode([[timer(1, LATER)], [DONE]]))
    making.tell(start())
    making.kept()
    making.tell(signal("s1"))
    making.world.live_through(KEEPING_SECONDS + 0.2)
    assert making.world.status() is WorkflowStatus.SUSPENDED
    assert making.off_loop.given_up == [making.off_loop.keeping[0][0]]
    making.kept("nobody answers")
    making.tried_again()
    making.kept()
    assert making.world.status() is WorkflowStatus.COMPLETED


def test_nor_does_the_end_of_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    making = Making(monkeypatch, ScriptedCode([[DONE]]))
    making.tell(start())
    assert making.rows == 0
    making.kept()
    assert making.world.status() is WorkflowStatus.COMPLETED


def test_what_is_not_taken_suspends_it_and_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    making = Making(monkeypatch, ScriptedCode([[timer(1, LATER)], [DONE]]))
    making.tell(start())
    making.kept()
    making.tell(signal("s1"))
    making.kept("nobody answers")
    assert making.world.status() is WorkflowStatus.SUSPENDED
    assert making.rows == 2, "the signal is recorded, and nothing that its code wanted"
    making.tried_again()
    making.world.go_on()
    making.kept()
    assert making.world.status() is WorkflowStatus.COMPLETED


def test_a_host_that_loses_its_lease_leaves_nothing_of_the_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    making = Making(monkeypatch, ScriptedCode([[timer(1, LATER)], []]))
    making.tell(start())
    making.kept()
    making.tell(signal("s1"))
    making.world.engine.all_leases_lost()
    making.kept()
    assert making.rows == 1
    assert FIRST not in making.world.engine.partitions


def test_the_code_of_a_run_that_takes_another_s_place_begins_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of what its start does is sealed by then, and cannot wait."""
    making = Making(monkeypatch, ScriptedCode([[timer(1, LATER)]]))
    making.tell(start())
    making.kept()
    making.tell(start("start-2", conflict_policy=WorkflowIDConflictPolicy.TERMINATE_EXISTING))
    making.world.live_through(1)
    assert making.off_loop.keeping
    assert making.rows == 1, "of the second run: nothing that its code wants before it is there"
    making.kept()
    assert making.rows == 2
    assert making.world.status() is WorkflowStatus.RUNNING


def test_what_was_due_in_a_turn_that_is_dropped_is_due_still(monkeypatch: pytest.MonkeyPatch) -> None:
    making = Making(monkeypatch, ScriptedCode([[timer(1, T0 + SECOND)], [DONE]]))
    making.tell(start())
    making.kept()
    making.world.live_through(2)
    making.kept("nobody answers")
    assert making.world.status() is WorkflowStatus.SUSPENDED
    making.tried_again()
    making.kept()
    assert making.world.status() is WorkflowStatus.COMPLETED
