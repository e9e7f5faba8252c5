"""Every reader refuses every case: by an error of its own kind, in bounded time and memory, without quotes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.bad_input.corpus import corpus
from tests.bad_input.readers import READERS

ROOT = Path(__file__).parents[2]


def told_of(reader: str, progress: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.bad_input.bounded", reader, str(progress)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"it ended over {progress.read_text()}: {done.stderr[-2000:]}"
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


@pytest.mark.parametrize("reader", READERS)
def test_a_reader_refuses_every_case_within_its_bounds(reader: str, tmp_path: Path) -> None:
    told = told_of(reader, tmp_path / "progress")
    assert told["findings"] == []
    assert told["cases"] == len(corpus())


@pytest.mark.parametrize(("reader", "word"), [("glutton", "MemoryError"), ("parrot", "quotes the message")])
def test_a_planted_defect_is_found(reader: str, word: str, tmp_path: Path) -> None:
    findings = told_of(reader, tmp_path / "progress")["findings"]
    assert len(findings) > len(corpus()) / 2
    assert sum(word in finding for finding in findings) > len(corpus()) / 2
