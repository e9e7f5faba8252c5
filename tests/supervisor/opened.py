"""A world with a turn that stays open."""

from __future__ import annotations

from dalsegno.actors.supervisor.settings import HostSettings
from dalsegno.actors.workflow_actor.actor import WorkflowActor
from dalsegno.actors.workflow_actor.interface.commands import Command
from dalsegno.broker.port import Message
from dalsegno.broker.protocol import messages as wire
from tests.partition_ids import FIRST
from tests.supervisor.mail import command, start
from tests.supervisor.scripted_off_loop import ScriptedOffLoop
from tests.supervisor.scripted_world import ScriptedWorld
from tests.workflow_actor.local_work import LOCAL_QUEUE
from tests.workflow_actor.rig import ScriptedCode, activity, timer

LATER = 2**52
LOCAL = activity(1, task_queue=LOCAL_QUEUE)


def describe(message_id: str) -> Message:
    return command(wire.DescribeWorkflow(workflow_id="w"), message_id)


class Opened:
    """A world in which workflow w runs, and the turn of what comes next to it will stay open."""

    def __init__(self, *slow: type[Command], code: ScriptedCode | None = None) -> None:
        self.off_loop = ScriptedOffLoop()
        self.world = ScriptedWorld(
            code or ScriptedCode([[timer(9, LATER)], [LOCAL], []]),
            off_loop=self.off_loop,
            settings=HostSettings(idle_seconds=0.0),
        )
        self.world.own()
        self.world.deliver(start())
        self.world.go_on()
        self.off_loop.slow = slow

    @property
    def actor(self) -> WorkflowActor:
        actor = self.world.engine.partitions[FIRST].actors.peek("w")
        assert actor is not None
        return actor

    @property
    def rows(self) -> int:
        return len(self.world.database.rows["w"].journal)

    def answered(self, message_id: str) -> list[wire.Reply]:
        return [
            reply
            for reply, message in zip(self.world.replies(), self._messages(), strict=True)
            if message == f"call {message_id}"
        ]

    def _messages(self) -> list[str | None]:
        return [message.correlation_id for message in self.world.sent if message.type == wire.Reply.TYPE]


def finish(opened: Opened) -> None:
    """All that turns wait for is done."""
    opened.off_loop.slow = ()
    while opened.off_loop.preparing or opened.off_loop.working:
        while opened.off_loop.preparing:
            opened.off_loop.prepared()
            opened.world.go_on()
        while opened.off_loop.working:
            opened.off_loop.worked()
            opened.world.go_on()
