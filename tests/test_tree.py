"""What holds for the whole tree."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
LINES = 450
"""300 are long already."""


SOURCES = (
    "sdk",
    "broker",
    "payload_stores",
    "persistence",
    "actors",
    "workers",
    "client",
    "conformance",
    "cli",
    "reasons",
    "rehearsal",
    "verification",
    "schedules",
    "testing",
)
MADE_IN = {
    "AnswerEffect": "actors/workflow_actor/shown/answers.py",
    "ResultEffect": "actors/workflow_actor/shown/answers.py",
    "RunEndedEffect": "actors/workflow_actor/shown/answers.py",
    "ReplyError": "actors/supervisor/wire/replies.py",
}
"""What an answer is made of, and the one place that makes it."""


def nodes() -> Iterator[tuple[str, ast.AST]]:
    """Of all that is shipped, with the file that each is in."""
    for folder in SOURCES:
        for path in sorted((ROOT / folder).rglob("*.py")):
            name = path.relative_to(ROOT).as_posix()
            yield from ((name, node) for node in ast.walk(ast.parse(path.read_bytes())))


NAMED_TWICE = {
    "Info": "of an activity and of a workflow: `activity.Info`, `workflow.Info`",
    "ActivityCompleted": "a worker's message, and the event that histories show under its name",
    "ActivityFailed": "likewise",
}


def test_no_two_classes_have_one_name() -> None:
    files: dict[str, list[str]] = {}
    for file, node in nodes():
        if isinstance(node, ast.ClassDef):
            files.setdefault(node.name, []).append(file)
    twice = {name: where for name, where in files.items() if len(where) > 1}
    assert twice.keys() == NAMED_TWICE.keys(), twice


def called(node: ast.AST) -> str | None:
    match node:
        case ast.Call(func=ast.Name(name) | ast.Attribute(attr=name)):
            return name
    return None


def test_an_answer_is_made_in_one_place() -> None:
    made = {(name, file) for file, node in nodes() if (name := called(node)) in MADE_IN}
    assert made == set(MADE_IN.items())


def test_a_file_of_more_lines_than_can_be_read_at_once_is_cut_by_concept() -> None:
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.py"]
    names = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    lines = {name: (ROOT / name).read_bytes().count(b"\n") for name in names if (ROOT / name).exists()}
    assert len(lines) > 500, "it looks at the tree"
    assert {name: count for name, count in lines.items() if count > LINES} == {}


def test_every_room_of_the_engine_says_on_its_contents_page_what_each_of_its_modules_is() -> None:
    missing: dict[str, set[str]] = {}
    for page in (ROOT / "actors").glob("*/**/__init__.py"):
        room = page.parent
        modules = {path.stem for path in room.glob("*.py")} | {
            path.parent.name for path in room.glob("*/__init__.py")
        }
        named = set(re.findall(r"`(\w+)`", page.read_text()))
        missing[room.name] = modules - named - {"__init__"}
    assert len(missing) > 20, "it looks at the rooms"
    assert {room: names for room, names in missing.items() if names} == {}
