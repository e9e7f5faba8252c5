"""A description takes no longer, and is no larger, for ten thousand pending things."""

from __future__ import annotations

import asyncio
import sys
from types import FrameType
from typing import Any

import pytest
from msgspec.structs import replace

from dalsegno import activity as activity_module
from dalsegno import workflow
from dalsegno.actors.supervisor.wire import replies
from dalsegno.actors.workflow_actor.interface.commands import Describe, Suspend
from dalsegno.actors.workflow_actor.interface.intent import Intent
from dalsegno.actors.workflow_actor.program.registry import WorkflowRegistry
from dalsegno.actors.workflow_actor.questions import NOT_ASKED
from dalsegno.actors.workflow_actor.run.intents import CompleteRun, FailRun
from dalsegno.broker.protocol import messages as wire
from dalsegno.broker.protocol.codec import CBOR, JSON, decode
from dalsegno.failure import Failure
from dalsegno.payload import Payload
from tests.workflow_actor.rig import (
    CALLER,
    SECOND,
    T0,
    Rig,
    ScriptedCode,
    activity,
    answer,
    failed,
    start,
    tasks,
    timer,
)


@activity_module.defn
async def charge(number: int) -> int:
    return number


@workflow.defn
class FanOut:
    @workflow.run
    async def run(self, count: int) -> None:
        charges = [workflow.execute_activity(charge, n, start_to_close_timeout=60) for n in range(count)]
        await asyncio.gather(*charges, *(asyncio.sleep(n + 60) for n in range(count)))


def fanned_out(count: int) -> Rig:
    rig = Rig(WorkflowRegistry([(FanOut, None)]))
    rig.send(start(workflow_type="FanOut", args=(Payload("json/plain", b"%d" % count),)))
    return rig


def described(rig: Rig, content_type: str = CBOR) -> wire.Description:
    """As its reader has it."""
    reply = replies.of_effect(answer(rig.send(Describe(caller=CALLER))))
    caller = replace(CALLER, content_type=content_type)
    read = decode(replies.sendable(reply, caller, "m"))
    assert isinstance(read, wire.Reply)
    assert read.description is not None, read.error
    return read.description


@pytest.mark.parametrize("content_type", [CBOR, JSON])
def test_of_many_pending_things_the_first_are_shown_and_all_are_counted(content_type: str) -> None:
    told = described(fanned_out(1_000), content_type)
    assert [pending.activity_id for pending in told.pending_activities] == [str(n) for n in range(1, 101)]
    assert (told.pending_activities_count, told.pending_timers) == (1_000, 1_000)
    assert len(told.waiting_for) == 101
    assert told.waiting_for[0].startswith("activity 1 charge")
    assert told.waiting_for[-1] == "1900 more"
    assert told.left_out == ("900 more pending activities",)


def test_what_waits_for_much_is_described_without_its_code_being_brought_back() -> None:
    rig = fanned_out(1_000)
    told = described(rig)
    assert told.waiting_for[0].startswith("activity 1 charge (test_describe.py:")
    rig.move()
    told_cold = described(rig)
    assert rig.instance.live.program is None
    assert (told_cold.waiting_for[0], told_cold.waiting_for[-1]) == ("activity 1 charge", "1900 more")
    assert told_cold.left_out == (*told.left_out, NOT_ASKED)
    assert replace(told_cold, waiting_for=(), left_out=()) == replace(told, waiting_for=(), left_out=())


def test_what_waits_for_little_is_described_alike_though_its_code_has_to_be_brought_back() -> None:
    rig = fanned_out(50)
    told = described(rig)
    rig.move()
    assert described(rig) == told
    assert rig.instance.live.program is not None


def test_of_few_pending_things_nothing_is_left_out() -> None:
    told = described(fanned_out(3))
    assert (len(told.pending_activities), told.pending_activities_count) == (3, 3)
    assert (len(told.waiting_for), told.left_out) == (6, ())


def test_a_run_whose_code_is_not_here_is_shown_in_part_as_well() -> None:
    intents: list[Intent] = [activity(number) for number in range(1, 201)]
    code = ScriptedCode([[*intents, *(timer(number, T0 + SECOND) for number in range(201, 301))]])
    rig = Rig(code)
    rig.start()
    code.types.clear()
    rig.move()
    told = described(rig)
    assert told.waiting_for[-1] == "200 more"
    assert len(told.pending_activities) == 100


def test_it_takes_no_more_calls_for_ten_times_as_many() -> None:
    assert calls_to_describe(fanned_out(3_000)) <= calls_to_describe(fanned_out(300)) * 1.1


def calls_to_describe(rig: Rig) -> int:
    calls = 0

    def count(frame: FrameType, event: str, _: Any) -> None:
        nonlocal calls
        calls += event == "call"

    command = Describe(caller=CALLER)
    before = sys.getprofile()
    sys.setprofile(count)
    try:
        activations = rig.instance.activate(command, now=T0, entropy=bytes(32), held=True)
        reply = replies.of_effect(activations[0].effects[0][1])  # type: ignore[arg-type]
        replies.sendable(reply, CALLER, "m")
    finally:
        sys.setprofile(before)
    return calls


LONG = Failure(
    message="no " * 10_000,
    type="Bug",
    stack="at " * 10_000,
    cause=Failure(message="x" * 300_000, type="Cause", cause=Failure(message="deeper")),
)


@pytest.mark.parametrize("content_type", [CBOR, JSON])
def test_failures_of_any_size_leave_room_for_what_people_look_for(content_type: str) -> None:
    rig = Rig(ScriptedCode([[activity(n) for n in range(1, 6)]]))
    for number, task in enumerate(tasks(rig.start())):
        rig.send(failed(task, LONG if number else Failure(message="no")))
    told = described(rig, content_type)
    assert len(told.pending_activities) == 5
    first, second, *_ = (pending.last_failure for pending in told.pending_activities)
    assert first == Failure(message="no")
    assert second is not None
    assert second.cause is not None
    assert (second.type, len(second.message), second.stack) == ("Bug", 500, "")
    assert (second.cause.type, len(second.cause.message), second.cause.cause) == ("Cause", 500, None)


def test_a_memo_that_is_too_large_to_be_shown_is_left_out_in_words() -> None:
    rig = Rig(ScriptedCode([[timer(1, T0 + SECOND)]]))
    rig.send(start(memo={"a": Payload("json/plain", b'"%s"' % (b"x" * 300_000))}))
    told = described(rig)
    assert (told.memo, told.left_out) == ({}, ("the memo, of 300003 bytes",))  # with its key


def test_whatever_is_too_large_to_be_shown_is_left_out_in_words() -> None:
    large = Payload("json/plain", b'"%s"' % (b"x" * 20_000))
    rig = Rig(ScriptedCode([[CompleteRun(result=large)]]))
    rig.send(start(args=(large, large)))
    told = described(rig)
    assert (told.input, told.result) == (None, None)
    assert told.left_out == ("the input, of 40004 bytes", "the result, of 20002 bytes")

    rig = Rig(ScriptedCode([[FailRun(failure=LONG)]]))
    rig.send(start())
    told = described(rig)
    assert told.failure is not None
    assert told.left_out == ("stacks, details and deeper causes (in 1 of the failures)",)

    rig = Rig(ScriptedCode([[timer(1, T0 + SECOND)]]))
    rig.start()
    rig.send(Suspend(reason="r" * 20_000, caller=CALLER))
    told = described(rig)
    assert told.suspended_reason == "r" * 10_000
    assert told.left_out == ("the end of the reason, which has 20000 characters",)


def test_what_fits_is_shown_and_nothing_is_said_to_be_left_out() -> None:
    small = Payload("json/plain", b"1")
    rig = Rig(ScriptedCode([[CompleteRun(result=small)]]))
    rig.send(start(args=(small,)))
    told = described(rig)
    assert (told.input, told.result, told.left_out) == ((small,), small, ())
