"""What a stranger asks first is answered in docs/architecture.md, by files and names that are there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "architecture.md").read_text()


def questions() -> dict[str, list[str]]:
    """Question -> the files and names that answer it, in order."""
    table = PAGE.partition("### Where is it decided?\n\n")[2].partition("\n\n")[0]
    rows = [row.strip("| ").split(" | ") for row in table.splitlines()[2:]]
    return {question: re.findall(r"`([^`]+)`", answer) for question, answer in rows}


def names_in(file: Path) -> set[str]:
    nodes = list(ast.walk(ast.parse(file.read_bytes())))
    defined = {
        node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    }
    return defined | {node.id for node in nodes if isinstance(node, ast.Name)}


def test_ten_questions_are_answered() -> None:
    assert len(questions()) >= 10


@pytest.mark.parametrize("question", questions())
def test_the_answer_is_there(question: str) -> None:
    file = ROOT
    for answer in questions()[question]:
        if answer.endswith(".py"):
            under_actors = ROOT / "actors" / answer
            file = under_actors if under_actors.exists() else ROOT / answer
            assert file.exists(), f"{question} {answer} is not there"
        else:
            assert answer in names_in(file), f"{question} {answer} is not in {file.name}"
    assert file != ROOT, "a file answers"
