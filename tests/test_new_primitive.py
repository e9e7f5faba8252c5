"""A new primitive touches its room, the wire, the SDK, and the few files that docs/architecture.md names."""

from __future__ import annotations

import re

import pytest

from tests.test_arrows import ROOT, imported, modules

PAGE = (ROOT / "docs/architecture.md").read_text()
SECTION = PAGE.partition("### A new primitive")[2].partition("\n## ")[0]
NAMED = set(re.findall(r"`((?:actors|broker|sdk)/[a-z_/]+\.py)`", SECTION))
CORE = "dalsegno.actors.workflow_actor"
NAMES = {"commands", "decisions", "intents", "wants", "events", "changes", "due", "sends", "awaited", "shown"}
OTHER_NAMES = {
    "signals": {"set_aside", "strikes"},
    "activities": {"activity", "attempts", "cancelled", "heartbeats", "worker_deaths", "outside"},
    "local_activities": {"local_activity", "work"},
    "queries": {"failures", "strikes"},
    "updates": {"update"},
    "compensation": {"compensation"},
    "children": {"cancelled", "child"},
    "externals": {"external"},
    "attributes": {"declared"},
    "deadlines": {"deadline"},
    "incidents": {"incident"},
}
"""What one room has beside the names that all may have."""


def known_to(room: str, *, outside: bool = False) -> set[str]:
    """Files that know the room, within the core or outside of it."""
    known = {module for module, _ in modules()}
    inside = f"{CORE}.{room}."
    return {
        str(path.relative_to(ROOT))
        for module, path in modules()
        if module.startswith("dalsegno.actors.") and not f"{module}.".startswith(inside)
        if module.startswith(CORE) != outside
        if any(name.startswith(inside) for name in imported(path, known))
    }


def test_the_page_names_files_that_there_are() -> None:
    assert NAMED
    assert [name for name in NAMED if not (ROOT / name).is_file()] == []


@pytest.mark.parametrize(
    "room", ["timers", "signals", "updates", "compensation", "children", "externals", "deadlines"]
)
def test_a_room_is_known_in_the_core_where_the_page_says_and_nowhere_else(room: str) -> None:
    found = known_to(room)
    assert found
    assert found <= NAMED


@pytest.mark.parametrize("room", ["timers", "signals"])
def test_a_room_is_known_outside_of_the_core_to_its_module_of_the_wire_alone(room: str) -> None:
    assert known_to(room, outside=True) <= {f"actors/supervisor/wire/{room}.py"}


@pytest.mark.parametrize("room", ["children", "externals"])
def test_what_workflows_say_to_each_other_has_one_module_of_the_wire(room: str) -> None:
    assert known_to(room, outside=True) == {"actors/supervisor/wire/others.py"}


def test_a_room_s_messages_are_known_in_the_engine_to_its_module_of_the_wire_alone() -> None:
    tree = ROOT / "actors"
    files = {
        path.relative_to(tree).as_posix() for path in tree.rglob("*.py") if "SignalWorkflow" in path.read_text()
    }
    assert files == {"supervisor/wire/signals.py", "supervisor/wire/others.py"}


@pytest.mark.parametrize(
    "room",
    [
        "activities",
        "timers",
        "signals",
        "queries",
        "updates",
        "compensation",
        "children",
        "externals",
        "deadlines",
        "incidents",
    ],
)
def test_the_same_name_is_the_same_thing_in_all_rooms(room: str) -> None:
    folder = ROOT / "actors/workflow_actor" / room
    names = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    assert names - NAMES == OTHER_NAMES.get(room, set())
    assert {f"`{name}`" for name in NAMES} <= set(re.findall(r"`[a-z]+`", SECTION))
