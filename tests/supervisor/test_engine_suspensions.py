"""A bug in workflow code is said once, and to those who wait for the result."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest

from dalsegno.actors.supervisor.round import suspensions
from dalsegno.actors.workflow_actor.program.port import WorkflowCodeError
from dalsegno.broker.protocol import messages as wire
from dalsegno.broker.protocol.ids import run_id
from dalsegno.policies import WorkflowStatus
from tests.supervisor.mail import await_result, command, signal, start
from tests.supervisor.scripted_world import ScriptedWorld
from tests.workflow_actor.rig import DONE, SECOND, ScriptedCode, timer

LATER = 2**52
BUG = "ZeroDivisionError: division by zero, at orders.py:7"


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, str, dict[str, Any]]]]:
    lines: list[tuple[str, str, dict[str, Any]]] = []

    class Spy:
        def __getattr__(self, level: str) -> Any:
            return lambda event, **values: lines.append((level, event, values))

    monkeypatch.setattr(suspensions, "log", Spy())
    yield lines


def buggy() -> ScriptedCode:
    return ScriptedCode([[timer(1, LATER)], WorkflowCodeError(BUG)])


def suspended(world: ScriptedWorld) -> list[tuple[str, str | None]]:
    return [(reply.kind, reply.reason) for reply in world.replies() if reply.status is WorkflowStatus.SUSPENDED]


def test_a_bug_in_workflow_code_is_an_error_in_the_log_once_however_often_it_is_tried_again(
    said: list[tuple[str, str, dict[str, Any]]],
) -> None:
    world = ScriptedWorld(buggy())
    world.own()
    world.deliver(start())
    world.deliver(signal("s"))
    world.go_on()
    world.live_through(40)

    ((level, event, values),) = said
    assert (level, event) == ("error", "workflow_suspended")
    assert (values["workflow_id"], values["workflow_type"]) == ("w", "order")
    assert BUG in values["reason"]
    assert values["next_try_at"] is not None


def told_anew(text: str = "ValueError: {} is not an order (orders.py:7 in run)") -> ScriptedCode:
    """Each try at it fails with another text."""
    tries = count()
    return ScriptedCode(
        lambda index, _: [timer(1, LATER)] if index == 0 else WorkflowCodeError(text.format(next(tries)))
    )


def test_a_bug_whose_text_is_another_at_each_try_is_said_once(
    said: list[tuple[str, str, dict[str, Any]]],
) -> None:
    world = ScriptedWorld(told_anew())
    world.own()
    world.deliver(start(replies=("accepted", "result"), tell_suspended=True))
    world.deliver(signal("s"))
    world.go_on()
    world.live_through(40)

    ((level, event, _),) = said
    assert (level, event) == ("error", "workflow_suspended")
    assert len([m for m in world.sent if m.correlation_id == "call start-1"]) == 2, "accepted, and suspended"
    assert "0 is not an order" in (world.database.shown[run_id("w", "start-1")][1] or "")
    assert [row.cause for row in world.database.rows["w"].journal] == [
        "workflow.start start-1",
        "workflow.signal s",
    ]


def test_tries_that_change_nothing_write_when_they_come_next_once_the_workflow_leaves_memory() -> None:
    world = ScriptedWorld(buggy())
    world.own()
    world.deliver(start())
    world.deliver(signal("s"))
    world.go_on()
    world.live_through(1500)

    row = world.database.rows["w"]
    assert [stored.cause for stored in row.journal] == ["workflow.start start-1", "workflow.signal s"]
    assert row.wake_at is not None
    assert world.now() < row.wake_at <= world.now() + 600 * SECOND


def test_a_bug_at_another_line_is_said_again(said: list[tuple[str, str, dict[str, Any]]]) -> None:
    world = ScriptedWorld(told_anew("ValueError: no such order (orders.py:{} in run)"))
    world.own()
    world.deliver(start())
    world.deliver(signal("s"))
    world.go_on()
    world.live_through(5)
    assert len(said) > 1


def test_code_that_was_mended_is_said_to_go_on(said: list[tuple[str, str, dict[str, Any]]]) -> None:
    code = buggy()
    world = ScriptedWorld(code)
    world.own()
    world.deliver(start())
    world.deliver(signal("s"))
    world.go_on()
    code.script = lambda index, _: [timer(1, LATER)] if index == 0 else []
    world.live_through(5)

    assert [(level, event) for level, event, _ in said] == [
        ("error", "workflow_suspended"),
        ("info", "workflow_goes_on"),
    ]


def test_who_waits_for_the_result_and_asked_for_it_is_told_of_the_suspension() -> None:
    world = ScriptedWorld(buggy())
    world.own()
    world.deliver(start(replies=("accepted", "result"), tell_suspended=True))
    world.deliver(command(wire.AwaitResult(workflow_id="w", tell_suspended=True), "asks"))
    world.deliver(await_result("asks not"))
    world.go_on()
    assert suspended(world) == []

    world.deliver(command(wire.SignalWorkflow(workflow_id="w", name="go"), "s"))
    world.go_on()
    world.live_through(40)

    told = [m.correlation_id for m in world.sent if m.type == "reply" and m.correlation_id != "call s"]
    assert sorted(told) == ["call asks", "call start-1", "call start-1"]
    assert all(kind == "answer" and BUG in (reason or "") for kind, reason in suspended(world))


def test_who_asks_for_the_result_of_what_is_suspended_already_is_told_at_once_and_of_the_end_later() -> None:
    code = buggy()
    world = ScriptedWorld(code)
    world.own()
    world.deliver(start())
    world.deliver(signal("s"))
    world.go_on()

    world.deliver(command(wire.AwaitResult(workflow_id="w", tell_suspended=True), "asks"))
    world.go_on()
    mine = [m for m in world.sent if m.correlation_id == "call asks"]
    assert len(mine) == 1

    code.script = lambda index, _: [timer(1, LATER)] if index == 0 else [DONE]
    world.live_through(5)
    assert [m.correlation_id for m in world.sent].count("call asks") == 2
    assert world.replies()[-1].status is WorkflowStatus.COMPLETED
