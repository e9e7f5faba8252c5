"""A database and a broker that do not belong together are told apart before anything runs."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pika  # type: ignore[import-untyped]
import pytest

from dalsegno.broker.topology import NAMESPACE_QUEUE
from dalsegno.cli.failures import DONE, USAGE
from dalsegno.cli.namespace import initialise
from tests.cli.shell import ANSWER_SECONDS, Done, Shell

OWN_BROKER = "embedded:.dalsegno/broker.db"
TYPO = "sqlite:///.dalsegno/dalsego.db"
BOTH = ("This virtual host (or broker file) belongs to another database", "database URL", "broker URL")


def refused(done: Done) -> bool:
    return done.exit_code == USAGE and all(words in done.sentence for words in BOTH)


def host(shell: Shell, *where: str) -> Done:
    return shell.run("host", "tests.cli.sample", "--log-level", "error", *where)


def test_another_database_is_refused_by_init_host_and_dev_on_files(folder: Path) -> None:
    shell = Shell(folder, DALSEGNO_TIMEOUT=ANSWER_SECONDS)
    assert shell.run("init").exit_code == DONE
    assert refused(shell.run("init", "--database", TYPO))
    assert refused(host(shell, "--database", TYPO))
    with shell.start("host", "tests.cli.sample") as program:
        program.wait_ready("host")
        assert refused(shell.run("init", "--database", TYPO))
        assert shell.run("init").exit_code == DONE

    (folder / ".dalsegno" / "dalsegno.db").rename(folder / "moved.db")
    assert refused(shell.run("dev", "tests.cli.sample", "--log-level", "error"))
    (folder / ".dalsegno" / "broker.db").rename(folder / "moved-broker.db")
    assert shell.run("init").exit_code == DONE


@pytest.mark.rabbitmq
@pytest.mark.postgres
def test_one_wrong_letter_in_the_schema_is_noticed(
    tmp_path: Path, rabbitmq_url: str, postgres_url: str
) -> None:
    shell = Shell(tmp_path, DALSEGNO_BROKER=rabbitmq_url, DALSEGNO_TIMEOUT=ANSWER_SECONDS)
    right, wrong = (f"{postgres_url}?schema={name}" for name in ("orders", "ordres"))
    assert shell.run("init", "--database", right).exit_code == DONE

    assert refused(shell.run("init", "--database", wrong))
    assert refused(host(shell, "--database", wrong))

    assert shell.run("init", "--database", right).exit_code == DONE
    with pika.BlockingConnection(pika.URLParameters(rabbitmq_url)) as connection:
        connection.channel().queue_delete(NAMESPACE_QUEUE)
    assert shell.run("init", "--database", wrong).exit_code == DONE
    assert refused(host(shell, "--database", right))
    # An old database may have a new virtual host: here that of another broker.
    assert shell.run("init", "--database", right, "--broker", OWN_BROKER).exit_code == DONE


@pytest.mark.parametrize("umask", [0o000, 0o022], ids=oct)
def test_nobody_else_may_read_what_an_embedded_namespace_stores_whatever_the_umask(
    tmp_path: Path, umask: int
) -> None:
    before = os.umask(umask)
    try:
        initialise(f"embedded:{tmp_path}/new/broker.db", f"sqlite:///{tmp_path}/new/dalsegno.db")
    finally:
        os.umask(before)

    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "new").iterdir()}
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700
    assert {"broker.db", "broker.db.lock", "dalsegno.db"} <= set(modes)
    assert set(modes.values()) == {0o600}
