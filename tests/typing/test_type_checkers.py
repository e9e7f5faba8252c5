"""mypy and pyright, both strict, read the typed file of the public API, the examples and the guide.

A wrong use is marked with what each of them is to ignore, and each reports marks that ignore nothing.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
API = Path(__file__).parent / "api.py"
EXAMPLES = ROOT / "examples"
PYRIGHT = {
    "typeCheckingMode": "strict",
    "pythonVersion": "3.11",
    "reportUnnecessaryTypeIgnoreComment": "error",
    "extraPaths": [str(ROOT)],
    "enableTypeIgnoreComments": False,  # mypy's are not its own
}


@pytest.fixture
def guide(tmp_path: Path) -> Path:
    """The examples of the guide in one file. (One of its imports is for the reader's own use.)"""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs/writing-workflows.md").read_text(), re.DOTALL)
    file = tmp_path / "guide.py"
    file.write_text("\n".join([*blocks, "_ = ApplicationError"]))
    return file


def mypy(*paths: Path) -> str:
    return run("mypy", "--strict", "--config-file", "pyproject.toml", *map(str, paths))


def pyright(folder: Path, *paths: Path) -> str:
    config = folder / "pyrightconfig.json"
    config.write_text(json.dumps({**PYRIGHT, "include": [str(path) for path in paths]}))
    return run("basedpyright", "--project", str(config), "--pythonpath", sys.executable)


def run(tool: str, *arguments: str) -> str:
    """What it finds, or nothing."""
    program = Path(sys.executable).parent / tool
    done = subprocess.run([program, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=100)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def test_mypy_takes_right_uses_and_refuses_wrong_ones(guide: Path) -> None:
    assert mypy(API, EXAMPLES, guide) == ""


def test_pyright_takes_right_uses_and_refuses_wrong_ones(guide: Path, tmp_path: Path) -> None:
    assert pyright(tmp_path, API, EXAMPLES, guide) == ""


def test_the_checkers_look_at_what_they_are_given(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.py"
    wrong.write_text("from dalsegno import Client\n\nClient.connect(3)\n")
    assert "wrong.py" in mypy(wrong)
    assert "wrong.py" in pyright(tmp_path, wrong)
