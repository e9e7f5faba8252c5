"""Modules of the working folder: found first, and never in the stead of what dalsegno itself imports."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from dalsegno.cli.failures import DONE, USAGE
from tests.cli.shell import ANSWER_SECONDS, ROOT, Shell

FLOWS = (ROOT / "tests" / "cli" / "only_workflows.py").read_text()


@pytest.fixture
def short() -> Iterator[Shell]:
    with tempfile.TemporaryDirectory(prefix="dalsegno-") as path:
        yield Shell(Path(path), DALSEGNO_TIMEOUT=ANSWER_SECONDS)


def imported(shell: Shell, modules: list[str], names: list[str]) -> dict[str, str]:
    """Where names come from, once a process in the folder has loaded the user's modules."""
    code = (
        "import importlib, json, sys; from dalsegno.cli.code import load; "
        f"load({modules!r}); print(json.dumps({{n: importlib.import_module(n).__file__ for n in {names!r}}}))"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        cwd=shell.folder,
        env=shell.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_files_named_like_modules_that_we_need_do_not_keep_it_from_serving(short: Shell) -> None:
    (short.folder / "flows.py").write_text(FLOWS)
    names = ["email", "queue", "types", "logging", "workflow", "sqlalchemy", "typing_extensions", "dalsegno"]
    for name in names:
        (short.folder / f"{name}.py").write_text("GREETING = 'dear customer'\n")

    with short.start("dev", "flows") as program:
        program.wait_ready("host")
        done = short.run("workflow", "start", "Alone", "--id", "a-1", "--wait")

        assert (done.exit_code, done.document) == (DONE, "alone")
        for name in set(names) - {"workflow"}:
            assert program.err.count(f"{name}.py is never imported") == 1
        assert "workflow.py" not in program.err


def test_a_file_of_the_folder_comes_before_an_installed_package_that_we_do_not_need(shell: Shell) -> None:
    (shell.folder / "flows.py").write_text("")
    (shell.folder / "pika.py").write_text("")
    (shell.folder / "psycopg").mkdir()
    (shell.folder / "psycopg" / "__init__.py").write_text("")

    found = imported(shell, ["flows"], ["flows", "pika", "psycopg"])

    assert Path(found["flows"]).parent == shell.folder
    assert Path(found["pika"]).parent == shell.folder
    assert not Path(found["psycopg"]).is_relative_to(shell.folder)


def test_a_module_to_run_that_is_named_like_one_of_the_standard_library_is_refused(shell: Shell) -> None:
    (shell.folder / "queue.py").write_text(FLOWS)

    done = shell.run("dev", "queue")

    assert done.exit_code == USAGE
    assert done.sentence == (
        f"{shell.folder}/queue.py is never imported, because `import queue` means the standard library's: "
        "rename it if your code needs it."
    )


def test_an_import_that_fails_for_a_file_that_is_hidden_says_so(shell: Shell) -> None:
    (shell.folder / "queue.py").write_text("class Job: ...\n")
    (shell.folder / "flows.py").write_text("from queue import Job\n")

    done = shell.run("dev", "flows")

    assert done.exit_code == USAGE
    assert "cannot import name 'Job' from 'queue'" in done.sentence
    assert f"{shell.folder}/queue.py is never imported" in done.sentence
