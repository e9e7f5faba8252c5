"""A database that is older than its broker is refused by all who would work with it, until it is accepted."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from dalsegno.cli.failures import DONE, FAILED, USAGE
from dalsegno.persistence import open_store
from tests.cli.shell import ANSWER_SECONDS, Done, Shell

ACCEPT = "--accept-restored-database"


def refused(done: Done, database: int, broker: int) -> bool:
    said = (f"is at {database} (", f"has seen it at {broker} (", "After a restore", f"dalsegno init {ACCEPT}")
    return done.exit_code == USAGE and all(words in done.sentence for words in said)


def host(shell: Shell) -> Done:
    return shell.run("host", "tests.cli.sample", "--log-level", "error")


@pytest.fixture
def files(folder: Path) -> Shell:
    """A namespace on files; `backup` is of its beginning, and the broker has since seen more."""
    shell = Shell(folder, DALSEGNO_TIMEOUT=ANSWER_SECONDS)
    shutil.rmtree(folder / ".dalsegno", ignore_errors=True)
    assert shell.run("init").exit_code == DONE
    shutil.copy(folder / ".dalsegno" / "dalsegno.db", folder / "backup")
    assert shell.run("init").exit_code == DONE
    return shell


def restore(folder: Path) -> None:
    shutil.copy(folder / "backup", folder / ".dalsegno" / "dalsegno.db")


def test_a_restored_file_is_refused_as_often_as_it_is_tried_and_then_accepted(
    files: Shell, folder: Path
) -> None:
    restore(folder)
    for _ in range(2):
        assert refused(files.run("init"), 1, 2)
        assert refused(host(files), 1, 2)
        assert refused(files.run("dev", "tests.cli.sample", "--log-level", "error"), 1, 2)

    assert files.run("init", ACCEPT).exit_code == DONE
    assert files.run("init").exit_code == DONE
    with files.start("host", "tests.cli.sample") as program:
        program.wait_ready("host")
        assert files.run("verify", "--broker", "embedded:.dalsegno/broker.db").exit_code == DONE
        assert program.stop() == DONE


def test_a_host_whose_database_becomes_an_older_one_while_it_runs_ends(files: Shell, folder: Path) -> None:
    with files.start("host", "tests.cli.sample", "--log-level", "error") as program:
        program.wait_ready("host")
        with closing(sqlite3.connect(folder / ".dalsegno" / "dalsegno.db", timeout=30)) as database, database:
            database.execute("UPDATE meta SET watermark = 0")
        assert files.run("workflow", "start", "Greeting", "--id", "g", "--input", '"Ann"').exit_code == DONE
        assert program.wait() == USAGE
        assert "This database is older than its broker: it is at 0" in program.err


def test_a_raise_of_which_the_broker_was_not_told_locks_nobody_out(files: Shell, folder: Path) -> None:
    store = open_store(f"sqlite:///{folder}/.dalsegno/dalsegno.db")
    for _ in range(3):
        assert store.writer().raise_watermark(above=0) is not None
    store.close()
    with files.start("host", "tests.cli.sample") as program:
        program.wait_ready("host")
        assert program.stop() == DONE
    assert files.run("init").err == ""


def test_a_broker_that_has_lost_its_data_is_taken_and_what_that_means_is_said(
    files: Shell, folder: Path
) -> None:
    (folder / ".dalsegno" / "broker.db").unlink()
    done = files.run("init")
    assert done.exit_code == DONE
    assert "knows nothing of this database, which is at 2 (" in done.sentence
    assert files.run("init").err == ""


@pytest.mark.rabbitmq
@pytest.mark.postgres
def test_on_servers_it_is_the_same_and_verify_says_it_where_it_sees_both(
    on_servers: Shell, postgres_url: str
) -> None:
    shell = on_servers
    for _ in range(3):
        assert shell.run("init").exit_code == DONE
    assert shell.run("verify").exit_code == DONE
    with psycopg.connect(postgres_url) as connection:
        connection.execute("UPDATE meta SET watermark = 1")

    assert refused(shell.run("init"), 1, 3)
    assert refused(host(shell), 1, 3)
    found = shell.run("verify")
    assert found.exit_code == FAILED
    assert "This database is older than its broker" in found.sentence

    assert shell.run("init", ACCEPT).exit_code == DONE
    assert shell.run("verify").exit_code == DONE
    with shell.start("host", "tests.cli.sample") as program:
        program.wait_ready("host")
        assert program.stop() == DONE
