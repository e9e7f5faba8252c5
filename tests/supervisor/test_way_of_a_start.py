"""The way of a start through the engine: as docs/architecture.md walks it, and as short as is said here."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import pytest

from dalsegno import workflow
from dalsegno.actors.workflow_actor.program.registry import WorkflowRegistry
from dalsegno.actors.workflow_actor.stored.codec import CODEC
from dalsegno.broker.protocol import messages as wire
from dalsegno.broker.protocol.codec import encode
from tests.supervisor.scripted_world import ScriptedWorld
from tests.supervisor.test_calls_per_activation import TEXT, ThreeEchoes

ROOT = Path(__file__).parents[2]
ACTORS = "dalsegno.actors."
PROGRAM = f"{ACTORS}workflow_actor.program."

LEADING_MAX = 66, 28
"""Functions that lead the start of a workflow on that waits, and their files. May only be lowered."""
WITH_AN_ACTIVITY_MAX = 80, 35
"""The same for one that wants an activity at once: what makes a task of that goes with it."""


@workflow.defn
class Waits:
    """What starts and waits, and has nothing done."""

    def __init__(self) -> None:
        self.told = False

    @workflow.run
    async def run(self, text: str) -> str:
        await workflow.wait_condition(lambda: self.told)
        return text

    @workflow.signal
    def tell(self) -> None:
        self.told = True


class Function(NamedTuple):
    module: str
    name: str


class Way:
    """Which functions of the engine were called, in order, and which of them called others of it. What goes on
    in the program (and in `__init__`) is not counted: it is no way, but a world of its own."""

    def __init__(self) -> None:
        self.passed: dict[Function, None] = {}
        self.leads_on: dict[Function, None] = {}

    @contextmanager
    def followed(self) -> Iterator[None]:
        before = sys.getprofile()
        sys.setprofile(self._see)
        try:
            yield
        finally:
            sys.setprofile(before)

    def _see(self, frame: FrameType, event: str, _: Any) -> None:
        if event == "call" and (function := _function(frame)) is not None:
            self.passed[function] = None
            callers = [caller for caller in map(_function, _behind(frame)) if caller is not None]
            if callers and not any(caller.module.startswith(PROGRAM) for caller in callers):
                self.leads_on[callers[0]] = None


def _behind(frame: FrameType) -> Iterator[FrameType]:
    back = frame.f_back
    while back is not None:
        yield back
        back = back.f_back


def _function(frame: FrameType) -> Function | None:
    module, name = frame.f_globals.get("__name__", ""), frame.f_code.co_qualname
    is_counted = module.startswith(ACTORS) and not name.rpartition(".")[2].startswith(("__", "<"))
    return Function(module, name) if is_counted else None


def walk(definition: type[ThreeEchoes | Waits] = ThreeEchoes) -> Way:
    """One start, from its delivery to its acknowledgement. Others have been there before it."""
    world = ScriptedWorld(WorkflowRegistry([(definition, None)]))
    world.engine.format_written(CODEC.newest)
    world.own()
    for way in (Way(), Way()):
        name = f"w-{len(world.sent)}"
        message = encode(
            wire.StartWorkflow(
                workflow_id=name,
                workflow_type=definition.__name__,
                args=(TEXT,),
                replies=("accepted", "result"),
            ),
            message_id=name,
            correlation_id=name,
            reply_to="dalsegno.reply.client",
        )
        with way.followed():
            world.deliver(message)
            world.committed()
            world.declared()
        assert world.published, "the answer, and a task"
        with way.followed():
            world.confirm_all()
    return way


@pytest.mark.parametrize(("definition", "most"), [(Waits, LEADING_MAX), (ThreeEchoes, WITH_AN_ACTIVITY_MAX)])
def test_few_functions_lead_a_start_on(definition: type[ThreeEchoes | Waits], most: tuple[int, int]) -> None:
    way = walk(definition)
    files = {function.module for function in way.leads_on}
    assert "dalsegno.actors.workflow_actor.instance" in files
    assert len(way.leads_on) <= most[0], "\n".join(map(str, way.leads_on))
    assert len(files) <= most[1], "\n".join(sorted(files))


def walked_in_the_docs() -> list[tuple[str, str]]:
    """(function, file), of the table: names in a cell are in the files of the next, one each or all in one."""
    text = (ROOT / "docs" / "architecture.md").read_text()
    table = text.partition("### The way of a start")[2].partition("\n\n")[2].partition("\n\n")[0]
    walked: list[tuple[str, str]] = []
    for row in table.splitlines()[2:]:
        _, _, names, files, _ = row.split("|")
        functions, places = (re.findall(r"`([^`]+)`", cell) for cell in (names, files))
        walked += zip(functions, places if len(places) > 1 else places * len(functions), strict=True)
    return walked


def test_the_docs_walk_the_way_that_a_start_goes() -> None:
    way = walk()
    passed = [
        (function.name, function.module.removeprefix(ACTORS).replace(".", "/") + ".py")
        for function in way.passed
    ]
    walked = walked_in_the_docs()
    assert len(walked) > 15, "it reads the table"
    assert [step for step in walked if step not in passed] == []
    assert sorted(walked, key=passed.index) == walked, "in this order"
