"""`dalsegno init` says what it has done, and what it waits for."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from msgspec.structs import replace

from dalsegno.broker.protocol.messages import HostInfo
from dalsegno.cli import cluster
from dalsegno.cli import namespace as namespaces
from dalsegno.cli.failures import DONE, USAGE
from dalsegno.cli.namespace import NEWEST_FORMAT, initialise
from dalsegno.cli.upgrading import Initialised, sentences
from dalsegno.errors import NewerFormatError, SchemaError
from dalsegno.persistence import open_store
from dalsegno.persistence.port import Cluster, HostRow, Membership, Namespace
from dalsegno.persistence.tables import HEAD
from tests.cli.shell import ANSWER_SECONDS, Shell, until
from tests.persistence.bare import old_host, set_revision, tables_of
from tests.persistence.rounds import HOUR

BROKER = "embedded:broker.db"
DATABASE = "sqlite:///dalsegno.db"
NOW = Namespace(generation=1, partitions=16, hash_seed=0, identity="n", revision=HEAD)
THERE = "The namespace is there, with 16 partitions."


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def left(written: int, asked: int, *hosts: HostRow) -> Cluster:
    return Cluster(now=0, hosts=hosts, leases=(), format_written=written, format_asked=asked)


def test_a_new_namespace_and_one_that_needs_nothing_are_only_said_to_be_there() -> None:
    assert sentences(Initialised(None, NOW, left(2, 2))) == [THERE]
    assert sentences(Initialised(replace(NOW, format_written=2), NOW, left(2, 2))) == [THERE]


def test_what_was_raised_is_said_once() -> None:
    before = replace(NOW, revision="0006")
    assert sentences(Initialised(before, NOW, left(2, 2))) == [
        THERE,
        f"Its tables were raised from revision 0006 to {HEAD}.",
        "What is stored may be written in format 2 from now on; hosts of versions that do not read it are "
        "refused.",
    ]


def test_hosts_that_are_waited_for_are_named() -> None:
    hosts = (HostRow("host-a", 1, "0.1.0"), HostRow("host-b", 1, "0.2.0", 0, 2))
    assert sentences(Initialised(NOW, NOW, left(1, 2, *hosts))) == [
        THERE,
        "Format 2 will be written as soon as all live hosts say that they read it, without another "
        "`dalsegno init`. These do not: host-a (dalsegno 0.1.0).",
    ]


def test_newer_tables_that_are_left_as_they_are_are_said_to_be() -> None:
    newer = replace(NOW, revision="9999")
    assert sentences(Initialised(newer, newer, left(1, 1)))[1:] == [
        f"Its tables are of revision 9999, made by a newer version; this one ({HEAD}) can work with them, and "
        "leaves them as they are."
    ]


def test_init_asks_for_the_newest_format_and_gets_it_where_no_host_is_in_the_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fresh = initialise(BROKER, DATABASE)
    assert (fresh.cluster.format_written, fresh.cluster.format_asked) == (NEWEST_FORMAT, NEWEST_FORMAT)
    newer = NEWEST_FORMAT + 1
    monkeypatch.setattr(namespaces, "NEWEST_FORMAT", newer)
    with closing(open_store(DATABASE)) as store:
        membership = store.membership()
        membership.join("old", ttl=HOUR, version="0.1.0", format_read=NEWEST_FORMAT)
        waiting = initialise(BROKER, DATABASE)
        assert (waiting.cluster.format_written, waiting.cluster.format_asked) == (NEWEST_FORMAT, newer)

        membership.expire("old")
        done = initialise(BROKER, DATABASE)

    assert done.before is not None
    assert (done.before.format_written, done.cluster.format_written) == (NEWEST_FORMAT, newer)
    monkeypatch.setattr(namespaces, "NEWEST_FORMAT", NEWEST_FORMAT)
    with pytest.raises(NewerFormatError, match=rf"dalsegno.db may be of format {newer}.*upgrade dalsegno"):
        initialise(BROKER, DATABASE)


def test_init_raises_tables_and_refuses_to_under_hosts_that_could_not_work_with_them(tmp_path: Path) -> None:
    shell = Shell(tmp_path, DALSEGNO_BROKER=BROKER, DALSEGNO_DATABASE=DATABASE)
    tables_of(f"sqlite:///{tmp_path / 'dalsegno.db'}", "0006", partitions=16)
    old_host(f"sqlite:///{tmp_path / 'dalsegno.db'}", "host-a")

    refused = shell.run("init")
    assert refused.exit_code == USAGE
    assert "host-a (dalsegno 0.1.0)" in refused.sentence
    assert "--force" in refused.sentence

    forced = shell.run("init", "--force")
    assert forced.exit_code == DONE
    assert forced.out.splitlines()[:2] == [THERE, f"Its tables were raised from revision 0006 to {HEAD}."]


def goes_on_while_tables_are_raised(shell: Shell, database: str) -> None:
    tables_of(database, "0006", partitions=4)
    with shell.start("host", "tests.cli.sample") as host, shell.start("worker", "tests.cli.sample") as worker:
        host.wait_ready("host")
        worker.wait_ready("worker")
        assert greeted(shell, "before")

        raised = shell.run("init")

        assert (raised.exit_code, raised.err) == (DONE, "")
        assert f"Its tables were raised from revision 0006 to {HEAD}." in raised.out
        assert greeted(shell, "after")
        with closing(open_store(database)) as store:
            membership = store.membership()
            until(lambda: said(membership) == [(HEAD, NEWEST_FORMAT)], "the host says what it reads")
            until(lambda: membership.cluster().format_written == NEWEST_FORMAT, "the newest format is granted")
        assert greeted(shell, "at last")


def greeted(shell: Shell, workflow_id: str) -> bool:
    start = ("workflow", "start", "Greeting", "--id", workflow_id, "--input", '"Ann"', "--wait")
    return bool(shell.run(*start).document == "Hello, Ann!")


def said(membership: Membership) -> list[tuple[str, int]]:
    return [(host.head, host.format_read) for host in membership.cluster().hosts]


def test_a_host_on_older_tables_does_its_work_and_goes_on_when_they_are_raised_on_files(folder: Path) -> None:
    database = f"sqlite:///{folder / 'dalsegno.db'}"
    settings = {"DALSEGNO_BROKER": f"embedded:{folder}/broker.db", "DALSEGNO_DATABASE": database}
    goes_on_while_tables_are_raised(Shell(folder, DALSEGNO_TIMEOUT=ANSWER_SECONDS, **settings), database)


@pytest.mark.rabbitmq
@pytest.mark.postgres
def test_a_host_on_older_tables_does_its_work_and_goes_on_when_they_are_raised_on_servers(
    on_servers: Shell, postgres_url: str
) -> None:
    goes_on_while_tables_are_raised(on_servers, postgres_url)


def test_tables_that_are_too_new_are_refused_by_init_and_left_as_they_are(tmp_path: Path) -> None:
    initialise(BROKER, DATABASE)
    set_revision(f"sqlite:///{tmp_path / 'dalsegno.db'}", "9999", readable_by="9999")
    with pytest.raises(SchemaError, match="upgrade dalsegno"):
        initialise(BROKER, DATABASE)


def test_a_host_that_cannot_read_what_may_be_written_is_refused_with_a_sentence(tmp_path: Path) -> None:
    shell = Shell(tmp_path, DALSEGNO_BROKER=BROKER, DALSEGNO_DATABASE=DATABASE)
    initialise(BROKER, DATABASE)
    with closing(open_store(DATABASE)) as store:
        assert store.membership().ask_format(9).format_written == 9

    refused = shell.run("host", "tests.cli.sample", "--log-level", "error")

    assert refused.exit_code == USAGE
    assert "may be of format 9" in refused.sentence
    assert "upgrade dalsegno" in refused.sentence


def test_hosts_shows_what_each_of_them_knows_while_they_differ(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    old = HostInfo(host_id="host-a", expires_at=0, version="0.1.0", tables="0006")
    new = HostInfo(host_id="host-b", expires_at=0, version="0.2.0", tables=HEAD, format_read=2)
    rows = [new]
    monkeypatch.setattr(cluster, "look", lambda *_: rows)

    cluster.hosts(None, 1.0, as_json=False)  # type: ignore[arg-type]
    alike = capsys.readouterr().out
    rows.append(old)
    cluster.hosts(None, 1.0, as_json=False)  # type: ignore[arg-type]
    unlike = capsys.readouterr().out

    assert "knows tables" not in alike
    assert "reads format" not in alike
    assert "knows tables" in unlike
    assert "reads format" in unlike
    assert "0006" in unlike
