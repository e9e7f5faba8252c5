"""Help and start-up: what one sees first, and how much is loaded for it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from dalsegno.cli.failures import DONE, USAGE
from dalsegno.cli.namespace_commands import TYPES
from dalsegno.search_attributes import SearchAttributeIndexedValueType
from tests.cli.shell import Shell

HEAVY = ["sqlalchemy", "alembic", "psycopg", "aio_pika", "aiormq", "uvloop", "pykka"]
FOR_WORK = [
    *HEAVY,
    "asyncio",
    "structlog",
    "msgspec",
    "dalsegno.payload",
    "dalsegno.client",
    "dalsegno.workflow",
]
"""What no command needs that only says something of itself."""
LOADED = """
import atexit, sys
atexit.register(lambda: print("loaded:", *sorted(sys.modules), file=sys.stderr))
from dalsegno.cli import main
sys.exit(main())
"""


def test_help_names_the_commands_and_the_exit_codes(shell: Shell) -> None:
    done = shell.run("--help")

    assert (done.exit_code, done.err) == (DONE, "")
    commands = ["init", "host", "worker", "dev", "workflow", "hosts", "partitions", "ping"]
    assert [command for command in commands if f"│ {command} " not in done.out] == []
    for line in ("0  done", "1  refused", "2  something must be mended", "3  something is not there"):
        assert line in done.out


@pytest.mark.parametrize("command", [(), ("workflow",)], ids=["dalsegno", "dalsegno workflow"])
def test_who_says_nothing_gets_help(shell: Shell, command: tuple[str, ...]) -> None:
    done = shell.run(*command)
    asked = shell.run(*command, "--help")

    assert (done.exit_code, done.err) == (DONE, "")
    assert done.out.strip() == asked.out.strip()


def test_each_workflow_command_has_help(shell: Shell) -> None:
    looks = ["result", "describe", "list", "history", "query"]
    changes = ["start", "signal", "cancel", "terminate", "suspend", "resume"]

    out = shell.run("workflow", "--help").out

    assert [name for name in looks + changes if f"│ {name} " not in out] == []


@pytest.mark.parametrize("command", [["--help"], ["dev", "--help"], ["workflow", "start", "--help"]])
def test_flags_are_not_shown_as_if_they_took_a_value(shell: Shell, command: list[str]) -> None:
    out = shell.run(*command).out

    assert "--help" in out
    assert "bool" not in out


def test_a_shell_is_told_how_a_command_goes_on(shell: Shell) -> None:
    done = shell.run(_DALSEGNO_COMPLETE="complete_bash", COMP_WORDS="dalsegno workflow l", COMP_CWORD="2")
    offered = shell.run("--help").out

    assert (done.exit_code, done.out.split()) == (DONE, ["list"])
    assert "--install-completion" in offered
    assert "--show-completion" in offered


def test_help_does_not_quote_urls_of_the_environment(shell: Shell) -> None:
    done = shell.run("host", "--help", DALSEGNO_BROKER="amqp://user:secret@localhost/")

    assert done.exit_code == DONE
    assert "secret" not in done.out


def test_the_installed_program_says_its_version() -> None:
    program = Path(sys.executable).with_name("dalsegno")

    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)

    assert done.stdout == f"dalsegno {version('dalsegno')}\n"


INTERRUPTED_WHILE_LOADING = """
import os, signal, sys
from dalsegno import cli

class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == "dalsegno.cli.failures":
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupting())
cli.main()
"""


def test_ctrl_c_while_it_loads_ends_it_without_a_word() -> None:
    command = [sys.executable, "-c", INTERRUPTED_WHILE_LOADING]

    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")


@pytest.mark.parametrize("module", ["dalsegno.cli.app", "dalsegno.cli.workflows"])
def test_starting_up_loads_neither_database_nor_broker(module: str) -> None:
    code = f"import sys, {module}; print([name for name in {HEAVY} if name in sys.modules])"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"


@pytest.mark.parametrize(
    "arguments", [["--version"], ["--help"], ["workflow", "--help"], ["workflow", "start", "--help"]]
)
def test_what_a_command_says_of_itself_loads_nothing_that_works(arguments: list[str]) -> None:
    assert loaded_by(arguments) & set(FOR_WORK) == set()


def test_the_types_of_search_attributes_that_help_names_are_those_that_there_are() -> None:
    assert ", ".join(SearchAttributeIndexedValueType) == TYPES


def test_a_shell_that_completes_waits_for_nothing_that_works_nor_for_what_draws() -> None:
    asking = {"_DALSEGNO_COMPLETE": "complete_bash", "COMP_WORDS": "dalsegno workflow l", "COMP_CWORD": "2"}

    assert loaded_by([], **asking) & {*FOR_WORK, "rich.console"} == set()


def test_a_command_that_has_nothing_to_log_loads_no_log_and_no_other_commands(tmp_path: Path) -> None:
    """Of a database that is not there: one sentence, and no line of a log."""
    asked = ["why", "o-1", "--database", f"sqlite:///{tmp_path}/none.db"]
    done = subprocess.run([sys.executable, "-c", LOADED, *asked], capture_output=True, text=True, check=False)
    sentence, loaded = done.stderr.splitlines()

    assert sentence.startswith("dalsegno: "), done.stderr
    assert "dalsegno.reasons.explain" in loaded.split()
    assert {"structlog", "rich.console", "aio_pika", "dalsegno.cli.code"} & set(loaded.split()) == set()


def loaded_by(arguments: list[str], **settings: str) -> set[str]:
    """All modules in a process that has run this command."""
    command = [sys.executable, "-c", LOADED, *arguments]
    environment = {**os.environ, **settings}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    label, *names = done.stderr.split()
    assert (done.returncode, label) == (DONE, "loaded:"), done.stderr
    return set(names)


@pytest.mark.parametrize(
    ("arguments", "wrong"),
    [
        (["frobnicate"], "No such command 'frobnicate'"),
        (["workflow", "start", "Order"], "Missing option '--id'"),
        (["workflow", "list", "--status", "tired"], "'tired' is not one of 'running', 'suspended'"),
        (["host", "orders", "--processes", "0"], "--processes"),
        (["host"], "MODULES"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_usage_is_one_sentence_that_points_to_help(
    shell: Shell, arguments: list[str], wrong: str
) -> None:
    done = shell.run(*arguments)

    assert (done.exit_code, done.out) == (USAGE, "")
    assert wrong in done.sentence
    assert "--help`" in done.sentence
