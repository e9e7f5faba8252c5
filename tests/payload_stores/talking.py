"""A workflow whose state is a talk: it grows by what is told, and goes over a sign each few lines."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from dalsegno import Blob, Log, activity, workflow

MINUTE = timedelta(minutes=1)
LINES_BETWEEN_SIGNS = 10


@dataclass
class Line:
    number: int
    text: str


@dataclass
class Talk:
    lines: Log[Line] = field(default_factory=Log)
    picture: Blob = field(default_factory=Blob)
    is_over: bool = False


@activity.defn
async def last_of(lines: Log[Line]) -> str:
    return f"{len(lines)} {lines[-1].number}"


@activity.defn
def size_of(picture: Blob) -> int:
    return len(bytes(picture))


@activity.defn
async def middle_of(lines: Log[Line]) -> Log[Line]:
    return lines[len(lines) // 4 : -len(lines) // 4]


@workflow.defn
class Listener:
    """Of another workflow: what it is given is sealed for that one."""

    @workflow.run
    async def run(self, lines: Log[Line]) -> int:
        return sum(line.number for line in lines)


@workflow.defn
class Talker:
    @workflow.init
    def __init__(self, talk: Talk) -> None:
        self.talk = talk

    @workflow.run
    async def run(self, talk: Talk) -> Log[Line]:
        signed_at = len(talk.lines)
        while True:
            await workflow.wait_condition(
                lambda: talk.is_over or len(talk.lines) >= signed_at + LINES_BETWEEN_SIGNS
            )
            if talk.is_over:
                return talk.lines
            await workflow.wait_condition(workflow.all_handlers_finished)
            workflow.checkpoint(talk)

    @workflow.signal
    def hear(self, text: str, times: int) -> None:
        for _ in range(times):
            self.talk.lines.append(Line(len(self.talk.lines), f"{len(self.talk.lines)}: {text}"))

    @workflow.update
    async def tell(self, text: str, times: int) -> str:
        self.hear(text, times)
        return await workflow.execute_activity(last_of, self.talk.lines, start_to_close_timeout=MINUTE)

    @workflow.update
    async def look(self) -> int:
        return await workflow.execute_activity(size_of, self.talk.picture, start_to_close_timeout=MINUTE)

    @workflow.update
    async def cut_to_the_middle(self) -> int:
        self.talk.lines = await workflow.execute_activity(
            middle_of, self.talk.lines, start_to_close_timeout=MINUTE
        )
        return len(self.talk.lines)

    @workflow.update
    async def have_heard(self) -> int:
        return await workflow.execute_child_workflow(Listener.run, self.talk.lines, id="listener")

    @workflow.query
    def line(self, place: int) -> str:
        return self.talk.lines[place].text

    @workflow.signal
    def end(self) -> None:
        self.talk.is_over = True


@workflow.defn
class Relay:
    """Over to the next run instead of a sign."""

    @workflow.run
    async def run(self, lines: Log[Line]) -> int:
        lines.extend(Line(number, "again and again " * 20) for number in range(20))
        if len(lines) < 100:
            workflow.continue_as_new(lines)
        return len(lines)


WORKFLOWS: list[type] = [Talker, Listener, Relay]
ACTIVITIES: list[Any] = [last_of, size_of, middle_of]
