"""One `dalsegno dev` for each module of tests, and folders for those that need none."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.sample import NOTES_VARIABLE
from tests.cli.shell import ANSWER_SECONDS, Program, Shell


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A short path: the embedded broker's socket lies beside its file, and its name has a limit."""
    with tempfile.TemporaryDirectory(prefix="dalsegno-") as path:
        yield Path(path)


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """An empty folder where nothing runs."""
    return Shell(tmp_path, DALSEGNO_TIMEOUT="1")


@pytest.fixture
def on_servers(tmp_path: Path, rabbitmq_url: str, postgres_url: str) -> Shell:
    """An empty folder, and servers on which a namespace may be made."""
    where = {"DALSEGNO_BROKER": rabbitmq_url, "DALSEGNO_DATABASE": postgres_url}
    return Shell(tmp_path, DALSEGNO_TIMEOUT=ANSWER_SECONDS, **where)


@pytest.fixture(scope="module")
def dev(folder: Path) -> Iterator[Program]:
    """A running `dalsegno dev` with the sample's workflows, shared by the tests of a module."""
    shell = Shell(folder, DALSEGNO_TIMEOUT=ANSWER_SECONDS, **{NOTES_VARIABLE: str(folder / "notes")})
    with shell.start("dev", "tests.cli.sample") as program:
        yield program.wait_ready("host", "worker")
