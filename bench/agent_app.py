"""The agent of `bench.agent`: its talk grows by what model and tool say, and goes over a sign now and then."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from dalsegno import DataConverter, FolderPayloadStore, Log, activity, workflow

TURNS_BETWEEN_SIGNS = 10
CALLS_BETWEEN_MARKS = 50
MODEL_WORDS = 150
TOOL_WORDS = 50
"""A token is counted as a word of four letters and a blank."""

folder = os.environ.get("DALSEGNO_BENCH_STORE", "")
converter = DataConverter(payload_store=FolderPayloadStore(folder)) if folder else DataConverter.default


@dataclass
class Message:
    role: str
    text: str


@dataclass
class Talk:
    calls: int
    """To be made."""
    reads_all: bool
    messages: Log[Message] = field(default_factory=Log)
    made: int = 0
    marks: list[float] = field(default_factory=list)
    """When so many calls had been made."""


def words(count: int, seed: int) -> str:
    """No two alike: what is the same is stored once, whoever stores it."""
    return " ".join(f"{(seed * 7919 + place * 104729) % 1679616:04x}"[:4] for place in range(count))


@activity.defn
async def ask(talk: Log[Message], reads_all: bool) -> str:
    said = sum(len(message.text) for message in talk) if reads_all else len(talk)
    return words(MODEL_WORDS, said)


@workflow.defn
class TalkingAgent:
    @workflow.init
    def __init__(self, talk: Talk) -> None:
        self.talk = talk
        self.is_over = False

    @workflow.run
    async def run(self, talk: Talk) -> None:
        while talk.made < talk.calls:
            reply = await workflow.execute_activity(
                ask, args=[talk.messages, talk.reads_all], start_to_close_timeout=60
            )
            talk.made += 1
            talk.messages.extend((Message("model", reply), Message("tool", words(TOOL_WORDS, talk.made))))
            if talk.made % CALLS_BETWEEN_MARKS == 0:
                talk.marks.append(workflow.time())
            if talk.made % TURNS_BETWEEN_SIGNS == 0:
                workflow.checkpoint(talk)
        await workflow.wait_condition(lambda: self.is_over)

    @workflow.query
    def progress(self) -> tuple[int, list[float], int]:
        """Calls, marks, and the bytes of the talk as JSON, where it is over."""
        talk = self.talk
        size = sum(len(message.text) for message in talk.messages) if talk.made >= talk.calls else 0
        return talk.made, talk.marks, size

    @workflow.signal
    def end(self) -> None:
        self.is_over = True
