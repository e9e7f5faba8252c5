"""The base installation and its extras: what each is enough for, and what is said where one is missing."""

from __future__ import annotations

import subprocess
import sys

import pytest

OF_HOST = ["sqlalchemy", "alembic", "psycopg", "pykka"]
OF_CLI = ["typer", "rich", "watchfiles", "uvloop"]

WITHOUT = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {missing}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Missing())
"""
RUN = "from dalsegno.cli import main; sys.exit(main())"
STORE = """
from dalsegno.errors import ConfigurationError
try:
    from dalsegno.persistence import open_store
except ConfigurationError as error:
    print(isinstance(error, ImportError), error)
"""
CLIENT = """
import asyncio
from dalsegno import Client, Worker, activity
from dalsegno.errors import TransientError

@activity.defn
def nothing() -> None: ...

async def main() -> None:
    for url in ("amqp://guest:guest@127.0.0.1:1/", "embedded:nowhere/broker.db"):
        Worker(url, activities=[nothing])
        try:
            async with asyncio.timeout(30), Client.connect(url, timeout=0.1) as client:
                await client.workflow("w").describe()
        except TransientError:
            print("waited for", url.partition(":")[0])

asyncio.run(main())
"""


def run_without(missing: list[str], code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", WITHOUT.format(missing=missing) + code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)


def test_client_and_worker_need_no_extra() -> None:
    done = run_without(OF_HOST + OF_CLI, CLIENT)
    assert (done.stdout, done.stderr, done.returncode) == ("waited for amqp\nwaited for embedded\n", "", 0)


def test_the_command_line_without_its_extra_names_it() -> None:
    done = run_without(OF_HOST + OF_CLI, RUN, "--version")
    assert (done.stdout, done.returncode) == ("", 2)
    assert done.stderr == (
        "dalsegno: The command line needs more than the base installation has (typer is missing): "
        'pip install "dalsegno[cli]".\n'
    )


@pytest.mark.parametrize(
    "command",
    [["init"], ["host", "tests.cli.sample"], ["dev", "tests.cli.sample"], ["verify"]],
    ids=lambda c: c[0],
)
def test_commands_of_hosts_without_their_extra_name_it(command: list[str]) -> None:
    done = run_without(OF_HOST, RUN, *command)
    assert (done.stdout, done.returncode) == ("", 2)
    assert done.stderr.count("\n") == 1
    assert 'pip install "dalsegno[host]"' in done.stderr


def test_a_store_without_its_extra_is_a_configuration_error_that_names_it() -> None:
    done = run_without(OF_HOST, STORE)
    assert done.stdout == (
        "True Hosts, and whatever else uses the database, need more than the base installation has "
        '(sqlalchemy is missing): pip install "dalsegno[host]".\n'
    )


@pytest.mark.parametrize("command", [["worker", "--help"], ["ping", "--help"]], ids=lambda c: c[0])
def test_commands_of_workers_and_clients_do_without_the_extra_of_hosts(command: list[str]) -> None:
    assert run_without(OF_HOST, RUN, *command).returncode == 0
    assert run_without(OF_HOST, "import dalsegno.cli.serving, dalsegno.cli.workflows").stderr == ""
