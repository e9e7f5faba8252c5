"""Arrows between rooms run one way, and are those that stand here.

A room is a package, or a module that stands alone; a module is in the innermost room whose name it begins with.
Whoever adds an arrow adds a word here, where it can be seen what it means for the whole. The contents page of a
package (`__init__`) may show what it likes of what is under it.
"""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parents[1]
SETUPTOOLS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
FOLDERS: dict[str, str] = SETUPTOOLS["package-dir"]

ARROWS = {
    # the ground
    "codecs": "",
    "sdk": "codecs",
    "interceptors": "sdk",
    "schedules": "sdk interceptors",
    "payload_stores": "sdk",
    # messages and the store
    "broker": "sdk",
    "persistence": "sdk",
    "broker.protocol": "sdk broker",
    "broker.embedded": "sdk broker",
    "broker.rabbitmq": "sdk broker",
    "persistence.migrations": "persistence",
    "activity_code": "sdk interceptors protocol",
    "activity_code.processes": "sdk interceptors protocol activity_code",
    "broker.url": "sdk broker embedded rabbitmq",
    # one workflow instance
    "actors.light": "",
    "actors.entropy": "",
    "actors.workflow_actor.interface": "sdk persistence",
    "actors.workflow_actor.loop": "sdk interface",
    "actors.workflow_actor.activities": "sdk interface loop",
    "actors.workflow_actor.local_activities": "sdk interface activities",
    "actors.workflow_actor.incidents": "sdk persistence interface activities",
    "actors.workflow_actor.timers": "sdk interface loop",
    "actors.workflow_actor.signals": "sdk interface loop",
    "actors.workflow_actor.queries": "sdk interface",
    "actors.workflow_actor.updates": "sdk interface loop",
    "actors.workflow_actor.compensation": "sdk loop",
    "actors.workflow_actor.children": "sdk interface loop",
    "actors.workflow_actor.externals": "sdk interface loop",
    "actors.workflow_actor.attributes": "sdk persistence interface",
    "actors.workflow_actor.memo": "sdk",
    "actors.workflow_actor.patches": "sdk",
    "actors.workflow_actor.deadlines": "sdk persistence interface loop",
    "actors.workflow_actor.run": (
        "sdk interface attributes memo patches activities local_activities incidents timers signals queries "
        "updates compensation children externals deadlines"
    ),
    "actors.workflow_actor.built_in": "sdk schedules",
    "actors.workflow_actor.program": (
        "sdk interceptors interface loop attributes memo patches activities timers signals queries updates "
        "compensation children externals deadlines run built_in"
    ),
    "actors.workflow_actor.stored": "sdk persistence interface run",
    "actors.workflow_actor.shown": (
        "sdk persistence interface activities local_activities incidents timers signals updates compensation "
        "children externals deadlines run program stored"
    ),
    "actors.workflow_actor.outstanding": "interface activities run shown",
    "actors.workflow_actor": (
        "light sdk persistence interface attributes activities local_activities incidents signals queries "
        "updates deadlines run outstanding program stored shown"
    ),
    # the tree over it
    "actors.supervisor.clock": "",
    "actors.supervisor.host_id": "",
    "actors.supervisor.settings": "sdk broker",
    "actors.supervisor.wire": (
        "sdk broker interface activities incidents signals queries updates children externals protocol"
    ),
    "actors.supervisor.failing": "sdk queries workflow_actor",
    "actors.supervisor.off_loop": (
        "sdk interceptors protocol interface local_activities workflow_actor failing activity_code"
    ),
    "actors.supervisor.world": "sdk broker persistence interface",
    "actors.supervisor.upcalls": "sdk interface workflow_actor",
    "actors.supervisor.membership": "host_id sdk persistence failing",
    "actors.supervisor.parent": "host_id sdk persistence failing",
    "actors.supervisor.deliveries": "sdk broker persistence interface protocol wire world",
    "actors.supervisor.round": "sdk persistence interface run shown updates workflow_actor world",
    "actors.supervisor.wakeups": "persistence interface workflow_actor world upcalls",
    "actors.supervisor.connection": "sdk broker protocol failing deliveries",
    "actors.supervisor.outbox": "sdk broker interface activities updates protocol wire world deliveries round",
    "actors.supervisor.halted": (
        "sdk persistence interface updates run program stored shown protocol workflow_actor failing world "
        "upcalls deliveries round wakeups outbox"
    ),
    "actors.supervisor.partition": (
        "light entropy sdk broker persistence interface attributes activities program settings outstanding "
        "stored workflow_actor failing world upcalls deliveries round wakeups outbox halted"
    ),
    "actors.supervisor.rounds": (
        "light sdk persistence interface settings protocol workflow_actor world upcalls deliveries "
        "round outbox partition"
    ),
    "actors.supervisor.engine": (
        "light entropy sdk broker persistence interface attributes program settings protocol stored "
        "workflow_actor world deliveries round wakeups outbox partition rounds"
    ),
    "actors.supervisor.database": "sdk broker persistence failing deliveries engine",
    "actors.supervisor.inbox": "sdk broker persistence interface protocol wire outbox database",
    "actors.supervisor.people": (
        "sdk broker persistence interface queries updates protocol wire program stored shown workflow_actor "
        "failing "
        "deliveries connection outbox partition database"
    ),
    "actors.supervisor.host": (
        "clock host_id sdk interceptors activity_code off_loop broker persistence interface program "
        "settings protocol stored failing membership parent world deliveries connection outbox engine database "
        "inbox people"
    ),
    # who uses it
    "rehearsal": (
        "sdk codecs interceptors broker persistence activity_code processes attributes program run stored "
        "shown partition"
    ),
    "testing": (
        "sdk interceptors clock host_id settings broker embedded persistence protocol activity_code client "
        "workers program stored failing parent host rehearsal"
    ),
    "reasons": "sdk protocol",
    "client": "sdk interceptors schedules broker protocol url reasons",
    "workers": "client sdk interceptors broker protocol url activity_code processes",
    "conformance": "sdk broker protocol",
    "verification": (
        "sdk broker persistence settings protocol interface activities children timers updates run stored shown"
    ),
    "cli": (
        "sdk interceptors schedules activity_code broker persistence settings protocol embedded url wire "
        "client conformance reasons workers program stored rehearsal verification failing parent database "
        "people host"
    ),
}
"""Room -> the rooms that it knows, by their last words; each group from the ground up."""


def modules() -> Iterator[tuple[str, Path]]:
    for package, folder in FOLDERS.items():
        for path in (ROOT / folder).rglob("*.py"):
            parts = path.relative_to(ROOT / folder).with_suffix("").parts
            yield ".".join((package, *(part for part in parts if part != "__init__"))), path


def room_of(module: str) -> str:
    """Its last word: those are unique."""
    below = module.removeprefix("dalsegno.")
    rooms = [room for room in ARROWS if f"{below}.".startswith(f"{room}.")]
    return max(rooms, key=len, default="sdk").rpartition(".")[2]


def imported(path: Path, known: set[str]) -> Iterator[str]:
    """Also what is imported for types only, or late: who reads the module has to know it all the same."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("dalsegno"))
        elif isinstance(node, ast.ImportFrom) and (module := node.module or "").startswith("dalsegno"):
            for alias in node.names:
                yield name if (name := f"{module}.{alias.name}") in known else module


def test_rooms_know_the_rooms_that_they_are_said_to_know_and_no_others() -> None:
    known = {module for module, _ in modules()}
    found: dict[str, set[str]] = {room_of(room): set() for room in ARROWS}
    for module, path in modules():
        if path.name != "__init__.py":
            found[room_of(module)] |= {room_of(name) for name in imported(path, known)} - {room_of(module)}
    assert found == {room_of(room): set(others.split()) for room, others in ARROWS.items()}


def test_no_room_knows_itself_by_way_of_others() -> None:
    graph = {room_of(room): others.split() for room, others in ARROWS.items()}
    assert len(list(TopologicalSorter(graph).static_order())) == len(ARROWS)


def test_every_package_is_built_into_the_wheel() -> None:
    packages = {module for module, path in modules() if path.name == "__init__.py"}
    assert SETUPTOOLS["packages"] == sorted(packages)
