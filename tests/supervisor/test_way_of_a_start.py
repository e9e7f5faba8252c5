"""The way of a start through the engine: as docs/architecture.md walks it, and as short as is said here."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

from dalsegno.actors.workflow_actor.program.registry import WorkflowRegistry
from dalsegno.actors.workflow_actor.stored.codec import CODEC
from dalsegno.broker.protocol.codec import encode
from tests.supervisor.scripted_world import ScriptedWorld
from tests.supervisor.test_calls_per_activation import ThreeEchoes, start

ROOT = Path(__file__).parents[2]
ACTORS = "dalsegno.actors."
PROGRAM = f"{ACTORS}workflow_actor.program."

FUNCTIONS_MAX = 81
FILES_MAX = 37
"""May only be lowered."""


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


def walk() -> Way:
    """One start, from its delivery to its acknowledgement. Others have been there before it."""
    world = ScriptedWorld(WorkflowRegistry([(ThreeEchoes, None)]))
    world.engine.format_written(CODEC.newest)
    world.own()
    for way in (Way(), Way()):
        name = f"w-{len(world.sent)}"
        message = encode(start(name), message_id=name, correlation_id=name, reply_to="dalsegno.reply.client")
        with way.followed():
            world.deliver(message)
            world.committed()
            world.declared()
        assert world.published, "its task"
        with way.followed():
            world.confirm_all()
    return way


def test_few_functions_lead_a_start_on() -> None:
    way = walk()
    files = {function.module for function in way.leads_on}
    assert "dalsegno.actors.workflow_actor.instance" in files
    assert len(way.leads_on) <= FUNCTIONS_MAX, "\n".join(map(str, way.leads_on))
    assert len(files) <= FILES_MAX, "\n".join(sorted(files))


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
