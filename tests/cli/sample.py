"""Workflows and activities for these tests; loaded by real hosts and workers."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

from dalsegno import ApplicationError, workflow
from dalsegno import activity as act

SPEAKS_TO_TERMINALS = "it\x1b]0;gotcha\x07 failed\u202e!"
NOTES_VARIABLE = "CLI_NOTES"
"""A file to which the slow activity writes when it begins and when it ends; it ends when told so there."""
MAY_END = "may end"


@act.defn
async def greet(name: str) -> str:
    return f"Hello, {name}!"


@act.defn
async def decline() -> None:
    raise ApplicationError(SPEAKS_TO_TERMINALS, type="Declined", non_retryable=True)


@act.defn
def dawdle() -> None:
    notes = Path(os.environ[NOTES_VARIABLE])
    note(notes, "begun")
    while MAY_END not in notes.read_text():
        time.sleep(0.05)
    note(notes, "done")


def note(notes: Path, text: str) -> None:
    with notes.open("a") as file:
        file.write(f"{text}\n")


@workflow.defn
class Greeting:
    @workflow.run
    async def run(self, name: str) -> str:
        return await workflow.execute_activity(greet, name)


@workflow.defn
class Declined:
    @workflow.run
    async def run(self) -> None:
        await workflow.execute_activity(decline)


@workflow.defn
class Referred:
    """To a person, who says what is to be done."""

    @workflow.run
    async def run(self) -> str:
        return str(await workflow.execute_activity(decline, on_exhausted="pause", result_type=str | None))


@workflow.defn
class Slow:
    @workflow.run
    async def run(self) -> str:
        await workflow.execute_activity(dawdle)
        return "done"


@workflow.defn
class Patient:
    """Waits for words until one of them says what to do."""

    def __init__(self) -> None:
        self.words: list[str] = []

    @workflow.run
    async def run(self) -> list[str]:
        await workflow.wait_condition(lambda: bool(self.words))
        match self.words[-1]:
            case "loop":
                while True:
                    pass
            case "block":
                threading.Event().wait(3600)
        return self.words

    @workflow.signal
    def say(self, word: str) -> None:
        self.words.append(word)

    @workflow.query
    def heard(self) -> list[str]:
        return self.words
