"""What an activation costs: the Python calls that it takes, from its message to the acknowledgement. They are
the host's cost, nearly all of it, and unlike time they are the same on every machine."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from dalsegno import activity, workflow
from dalsegno.actors.workflow_actor.loop import world_calls
from dalsegno.actors.workflow_actor.program.registry import WorkflowRegistry
from dalsegno.actors.workflow_actor.stored.codec import CODEC
from dalsegno.broker.protocol import messages as wire
from dalsegno.broker.protocol.codec import encode
from dalsegno.payload import Payload
from tests.supervisor.mail import task_in
from tests.supervisor.scripted_world import ScriptedWorld

CALLS_MAX = 234
"""May only be lowered. What costs more says in its commit why it is worth that."""

WORKFLOWS = 20
ACTIVATIONS = 4 * WORKFLOWS
TEXT = Payload("json/plain", b'"' + b"x" * 100 + b'"')
NOT_COUNTED = ("tests", "structlog", "logging", "dalsegno._log", "dalsegno._outlet")


@activity.defn
async def echo(text: str) -> str:
    return text


@workflow.defn
class ThreeEchoes:
    @workflow.run
    async def run(self, text: str) -> str:
        for _ in range(3):
            text = await workflow.execute_activity(echo, text, start_to_close_timeout=60)
        return text


class Calls:
    """Of Python functions, those of libraries as well; not of what tests and log lines take."""

    def __init__(self) -> None:
        self.total = 0

    def __call__(self, frame: FrameType, event: str, _: Any) -> None:
        if event == "call" and not self._caller(frame).startswith(NOT_COUNTED):
            self.total += 1

    @staticmethod
    def _caller(frame: FrameType) -> str:
        """What the clock is refused to is in front of it: that is a call of whoever asks for the time."""
        name: str = frame.f_globals.get("__name__", "")
        if name == world_calls.__name__ and frame.f_back is not None:
            return str(frame.f_back.f_globals.get("__name__", ""))
        return name

    @contextmanager
    def counted(self) -> Iterator[None]:
        before = sys.getprofile()
        gc.disable()  # other tests have left coroutines behind, whose end is a call each
        sys.setprofile(self)
        try:
            yield
        finally:
            sys.setprofile(before)
            gc.enable()


def start(workflow_id: str) -> wire.StartWorkflow:
    return wire.StartWorkflow(
        workflow_id=workflow_id, workflow_type="ThreeEchoes", args=(TEXT,), replies=("result",)
    )


def result_of(task: wire.ActivityTask) -> wire.ActivityCompleted:
    return wire.ActivityCompleted(
        workflow_id=task.workflow_id,
        run_id=task.run_id,
        activity_id=task.activity_id,
        attempt=task.attempt,
        token=task.token,
        result=TEXT,
    )


def run_three_echoes(world: ScriptedWorld, prefix: str, calls: Calls) -> None:
    """To the end, in four rounds of all together."""
    names = [f"{prefix}-{number}" for number in range(WORKFLOWS)]
    messages = [
        encode(start(name), message_id=name, correlation_id=name, reply_to="dalsegno.reply.client")
        for name in names
    ]
    for round_ in range(4):
        with calls.counted():
            for message in messages:
                world.deliver(message)
            world.committed()
            world.declared()
        assert len(world.published) == WORKFLOWS
        tasks = [] if round_ == 3 else [task_in(outgoing) for outgoing in world.published]
        with calls.counted():
            world.confirm_all()
        messages = [encode(result_of(task), message_id=f"{task.workflow_id} {round_}") for task in tasks]
    assert len(world.replies()) >= WORKFLOWS
    assert all(world.status(name).closed for name in names)


def test_an_activation_takes_no_more_python_calls_than_it_did() -> None:
    world = ScriptedWorld(WorkflowRegistry([(ThreeEchoes, None)]))
    world.engine.format_written(CODEC.newest)
    world.own()
    run_three_echoes(world, "warm", Calls())  # what is asked for the first time is remembered
    calls = Calls()
    run_three_echoes(world, "counted", calls)
    assert calls.total / ACTIVATIONS <= CALLS_MAX, f"{calls.total / ACTIVATIONS:.1f} calls an activation"
