"""Commands that only look answer from the database alone, where no host nor broker is."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest

from dalsegno.actors.workflow_actor.stored.codec import CODEC
from dalsegno.cli.failures import DONE, FAILED, NEWER, UNAVAILABLE, USAGE
from dalsegno.testing import ReplayFailedError
from tests.cli.sample import NOTES_VARIABLE
from tests.cli.shell import ANSWER_SECONDS, Done, Program, Shell, until

FILES = "sqlite:///.dalsegno/dalsegno.db"
STORED = ("--database", FILES)
LOOKS = {
    "list": ("workflow", "list"),
    "filtered": (
        "workflow",
        "list",
        "-q",
        "Type in ('Patient', 'Slow') and Status = running order by StartTime",
    ),
    "counted": ("workflow", "count", "group by Type, Status"),
    "completed": ("workflow", "describe", "g-1"),
    "failed": ("workflow", "describe", "d-1"),
    "suspended": ("workflow", "describe", "u-1"),
    "busy": ("workflow", "describe", "s-1"),
    "history": ("workflow", "history", "s-1"),
    "followed": ("workflow", "history", "g-1", "--follow"),
    "result": ("workflow", "result", "g-1"),
    "failure": ("workflow", "result", "d-1"),
    "hosts": ("hosts",),
    "partitions": ("partitions",),
    "deadlines": ("deadlines",),
}
DIFFERS = {"waiting_for", "sequence", "next_wake_up_at", "expires_at", "described_at"}
"""What only code knows, and what goes on by itself while it is looked at."""


def begin(shell: Shell) -> None:
    """One run of each kind."""
    for id_, type_, *rest in (
        ("g-1", "Greeting", "--input", '"Ann"', "--wait"),
        ("d-1", "Declined", "--wait"),
        ("u-1", "Unheard"),
        ("p-1", "Patient"),
        ("s-1", "Slow"),
    ):
        done = shell.run("workflow", "start", type_, "--id", id_, *rest)
        assert done.exit_code == (FAILED if id_ == "d-1" else DONE), done.err
    until(
        lambda: '"state": "started"' in shell.run("workflow", "describe", "s-1", "--json").out, "s-1 is at work"
    )


@pytest.fixture(scope="module")
def served(folder: Path) -> dict[str, tuple[Done, Done]]:
    """By what was looked at: what hosts said and what rows said while they lived. Then they were killed."""
    shell = Shell(folder, DALSEGNO_TIMEOUT=ANSWER_SECONDS, **{NOTES_VARIABLE: str(folder / "notes")})
    with shell.start("dev", "tests.cli.sample") as dev:
        dev.wait_ready("host", "worker")
        begin(shell)
        said = {
            name: (shell.run(*look, "--json"), shell.run(*look, "--json", *STORED))
            for name, look in LOOKS.items()
        }
        kill(dev)
    return said


def kill(program: Program) -> None:
    for child in program.children():
        child.kill()
    program.process.kill()
    program.process.wait()


@pytest.fixture
def left(served: object, folder: Path) -> Shell:
    """Where they were: nobody serves there, and no answer is waited for long."""
    return Shell(folder, DALSEGNO_TIMEOUT="20")


def still(document: Any) -> Any:
    if not isinstance(document, dict):
        return document
    return {name: value for name, value in document.items() if name not in DIFFERS}


@pytest.mark.parametrize("look", LOOKS)
def test_rows_say_what_hosts_say(served: dict[str, tuple[Done, Done]], look: str) -> None:
    host, rows = served[look]

    assert host.exit_code == rows.exit_code == (FAILED if look == "failure" else DONE)
    assert host.err == rows.err
    assert list(map(still, rows.documents)) == list(map(still, host.documents))


def test_without_a_host_what_is_stored_is_shown_and_what_only_code_knows_is_said(left: Shell) -> None:
    listed = left.run("workflow", "list", *STORED)
    completed = left.run("workflow", "describe", "g-1", *STORED)
    patient = left.run("workflow", "describe", "p-1", *STORED)

    assert [line.split()[:3] for line in listed.out.splitlines()[1:]] == [
        ["s-1", "Slow", "running"],
        ["p-1", "Patient", "running"],
        ["u-1", "Unheard", "suspended"],
        ["d-1", "Declined", "failed"],
        ["g-1", "Greeting", "completed"],
    ]
    assert 'result         "Hello, Ann!"' in completed.out
    assert "only a host knows" in patient.out
    assert "only a host knows" not in completed.out
    assert {done.err for done in (listed, completed, patient)} == {""}


def test_it_is_found_by_the_environment_where_no_broker_is_given(left: Shell) -> None:
    shown = left.run("workflow", "list", *STORED).out

    assert left.run("workflow", "list", DALSEGNO_DATABASE=FILES).out == shown
    assert left.run("workflow", "list", DALSEGNO_DATABASE=FILES, DALSEGNO_BROKER="").out == shown
    assert left.run("workflow", "list", *STORED, DALSEGNO_BROKER="amqp://localhost:1/").out == shown
    asked = left.run("workflow", "list", DALSEGNO_DATABASE=FILES, DALSEGNO_BROKER="foo://x")
    assert (asked.exit_code, "foo://x" in asked.sentence) == (USAGE, True)
    both = left.run("workflow", "list", *STORED, "--broker", "amqp://localhost:1/")
    assert (both.exit_code, "not both" in both.sentence) == (USAGE, True)


def test_who_asks_a_host_where_none_is_learns_of_it(left: Shell) -> None:
    there = left.run("workflow", "list", "--timeout", "0.3")
    elsewhere = left.run("hosts", "--timeout", "0.3", "--broker", "amqp://localhost:1/")

    assert there.exit_code == elsewhere.exit_code == UNAVAILABLE
    assert there.sentence.endswith(f"What is stored can be read without a host: --database {FILES}.")
    assert elsewhere.sentence.endswith("What is stored can be read without a host: --database URL.")


@pytest.mark.parametrize(
    "command", [("describe",), ("result",), ("history",), ("history", "--follow")], ids=str
)
def test_an_unknown_workflow_or_run_is_said_as_by_a_host(left: Shell, command: tuple[str, ...]) -> None:
    name, *flags = command
    unknown = left.run("workflow", name, "nobody", *flags, *STORED)
    other_run = left.run("workflow", name, "g-1", "--run-id", "r", *flags, *STORED)

    assert (unknown.exit_code, unknown.sentence) == (FAILED, "no workflow has the ID 'nobody'")
    assert (other_run.exit_code, other_run.sentence) == (FAILED, "workflow 'g-1' has no run 'r'")


def test_a_query_says_that_it_needs_a_host(left: Shell) -> None:
    done = left.run("workflow", "query", "p-1", "heard", *STORED)

    assert (done.exit_code, done.out) == (USAGE, "")
    assert "only hosts have" in done.sentence


def test_a_result_that_is_not_there_is_waited_for_as_long_as_is_said(left: Shell) -> None:
    done = left.run("workflow", "result", "u-1", "--timeout", "3", *STORED)

    assert done.exit_code == UNAVAILABLE
    *told, sentence = done.err.splitlines()
    assert sentence == (
        "dalsegno: Workflow 'u-1' has not ended within 3 s: it is suspended: "
        "this host has no workflow 'Unheard' for the task queue 'default'."
    )
    assert all(line.endswith("(still waiting)") for line in told)


def test_a_result_that_comes_while_it_is_waited_for_is_shown(left: Shell, folder: Path) -> None:
    with left.start("dev", "tests.cli.sample") as dev:
        dev.wait_ready("host")
        with left.start("workflow", "result", "p-1", *STORED) as waiting:
            assert left.run("workflow", "signal", "p-1", "say", "--input", '"done"').exit_code == DONE
            assert (waiting.wait(), waiting.out) == (DONE, '["done"]\n')
        kill(dev)


def test_rows_that_cannot_be_read_are_said_and_hide_no_others(left: Shell, folder: Path) -> None:
    with copied(folder, "damaged.db") as database:
        (run_id,) = database.execute("SELECT run_id FROM runs WHERE workflow_id = 's-1'").fetchone()
        database.execute("UPDATE journal SET events = x'00' WHERE run_id = ? AND sequence = 1", [run_id])
    damaged = ("--database", "sqlite:///damaged.db")

    described = left.run("workflow", "describe", "s-1", *damaged)
    history = left.run("workflow", "history", "s-1", *damaged)
    entries = left.run("workflow", "history", "s-1", "--json", *damaged).documents

    assert [described.exit_code, history.exit_code] == [DONE, DONE]
    assert f"run {run_id}, sequence 1: the journal row cannot be read" in " ".join(described.out.split())
    assert "unreadable" in history.out.splitlines()[0]
    assert [event["type"] for event in entries[0]["events"]] == ["Unreadable"]
    assert len(entries) > 1
    assert len(left.run("workflow", "list", *damaged).out.splitlines()) == 6


@contextmanager
def copied(folder: Path, name: str) -> Iterator[sqlite3.Connection]:
    """What was left, to be changed."""
    left = sqlite3.connect(folder / ".dalsegno" / "dalsegno.db")
    with closing(left), closing(sqlite3.connect(folder / name)) as database, database:
        left.backup(database)
        yield database


def test_what_a_newer_version_has_written_is_said_in_a_sentence_and_by_the_exit_code(
    left: Shell, folder: Path
) -> None:
    format_ = CODEC.newest + 1
    with copied(folder, "newer.db") as database:
        database.execute("UPDATE meta SET format_written = ?", [format_])
        database.execute("UPDATE journal SET events = ?", [bytes([0x92, format_]) + b"of a newer version"])
        database.execute("UPDATE runs SET result = ? WHERE result IS NOT NULL", [bytes([0x92, format_, 0])])
    stored = ("--database", "sqlite:///newer.db")
    newer = (
        f"it was written by a newer version of dalsegno: its format is {format_}, "
        f"and this version reads formats up to {CODEC.newest}"
    )

    listed = left.run("workflow", "list", *stored)
    assert (listed.exit_code, len(listed.out.splitlines())) == (DONE, 6)
    for id_, status in (("s-1", "running"), ("g-1", "completed")):
        described = left.run("workflow", "describe", id_, *stored)
        told = " ".join(described.out.split())
        assert (described.exit_code, described.err) == (DONE, "")
        assert f"status {status}" in told
        assert "left out here all that its journal holds: run" in told
        assert newer in told
        (document,) = left.run("workflow", "describe", id_, "--json", *stored).documents
        assert (document["status"], document["suspended_reason"]) == (status, None)

    history = left.run("workflow", "history", "s-1", *stored)
    assert history.exit_code == NEWER
    assert len(history.out.splitlines()) > 1
    assert {line.split(maxsplit=2)[2] for line in history.out.splitlines()} == {"newer       not read"}
    assert history.err.count("\n") == 1
    assert history.sentence.startswith(f"Not all of this history can be read: {newer}; use the command line of")
    as_json = left.run("workflow", "history", "s-1", "--json", *stored)
    assert (as_json.exit_code, as_json.err) == (NEWER, history.err)
    assert {event["type"] for entry in as_json.documents for event in entry["events"]} == {"Unreadable"}

    followed = left.run("workflow", "history", "s-1", "--follow", *stored)
    result = left.run("workflow", "result", "g-1", *stored)
    verified = left.run("verify", *stored)
    assert [followed.exit_code, result.exit_code, verified.exit_code] == [NEWER, NEWER, NEWER]
    assert newer in followed.sentence
    assert newer in result.sentence
    assert "5 runs hold what a newer version of dalsegno has written" in verified.out.splitlines()[-1]


@pytest.mark.rabbitmq
@pytest.mark.postgres
def test_on_servers_a_role_that_may_only_select_is_enough(
    tmp_path: Path, rabbitmq_url: str, postgres_url: str
) -> None:
    shell = Shell(tmp_path, DALSEGNO_TIMEOUT=ANSWER_SECONDS)
    where = {"DALSEGNO_BROKER": rabbitmq_url, "DALSEGNO_DATABASE": postgres_url}
    assert shell.run("init", **where).exit_code == DONE
    with (
        shell.start("host", "tests.cli.sample", **where) as host,
        shell.start("worker", "tests.cli.sample", **where) as worker,
    ):
        host.wait_ready("host")
        worker.wait_ready("worker")
        shell.run("workflow", "start", "Greeting", "--id", "g-1", "--input", '"Ann"', "--wait", **where)
        shell.run("workflow", "start", "Patient", "--id", "p-1", **where)
        assert [host.stop(), worker.stop()] == [DONE, DONE]

    with looking_only(postgres_url) as stored:
        listed = shell.run("workflow", "list", DALSEGNO_DATABASE=stored)
        looks = [
            shell.run(*look, DALSEGNO_DATABASE=stored)
            for look in (
                ("workflow", "describe", "p-1"),
                ("workflow", "history", "p-1"),
                ("workflow", "result", "g-1"),
                ("hosts",),
                ("partitions",),
                ("verify",),
            )
        ]

    assert [line.split()[0] for line in listed.out.splitlines()[1:]] == ["p-1", "g-1"]
    assert [(done.exit_code, done.err) for done in looks] == [(DONE, "")] * len(looks)
    assert looks[2].document == "Hello, Ann!"


@contextmanager
def looking_only(postgres_url: str) -> Iterator[str]:
    """The URL of a role that may select, and nothing else."""
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("DROP ROLE IF EXISTS onlooker")
        connection.execute("CREATE ROLE onlooker LOGIN PASSWORD 'onlooker'")
        connection.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO onlooker")
        server = urlsplit(postgres_url)
        place = server.netloc.rpartition("@")[2]
        yield server._replace(netloc=f"onlooker:onlooker@{place}").geturl()
        connection.execute("DROP OWNED BY onlooker")
        connection.execute("DROP ROLE onlooker")


def test_a_filter_that_cannot_be_read_is_a_mistake_of_the_command_line(left: Shell) -> None:
    for command in (("list", "-q"), ("count",)):
        told = left.run("workflow", *command, "Status = lost", *STORED)
        assert told.exit_code == FAILED
        assert "character 10: a status is expected here" in told.sentence
    both = left.run("workflow", "list", "-q", "Type = 'A'", "--type", "A", *STORED)
    assert (both.exit_code, "they do not go together" in both.sentence) == (USAGE, True)


def test_a_count_is_a_number_and_groups_are_a_table(left: Shell) -> None:
    assert left.run("workflow", "count", *STORED).out == "5\n"
    which = "Status in (failed, suspended) group by Status"
    by_status = left.run("workflow", "count", which, *STORED).out.splitlines()
    assert [line.split() for line in by_status] == [
        ["count", "of"],
        ["1", "failed"],
        ["1", "suspended"],
        ["2", "all"],
    ]


def test_what_is_exported_can_be_looked_at_elsewhere(left: Shell, folder: Path) -> None:
    elsewhere = ("--database", "sqlite:///elsewhere.db")
    for id_ in ("s-1", "g-1"):
        assert left.run("workflow", "export", id_, "-o", f"{id_}.json", *STORED).exit_code == DONE
    nowhere = left.run("workflow", "import", "g-1.json", *elsewhere)
    assert (nowhere.exit_code, "run `dalsegno init` first" in nowhere.sentence) == (USAGE, True)
    assert left.run("init", *elsewhere, "--broker", "embedded:elsewhere-broker.db").exit_code == DONE
    imported = [left.run("workflow", "import", f"{id_}.json", *elsewhere) for id_ in ("s-1", "g-1", "g-1")]
    assert [done.exit_code for done in imported] == [DONE, DONE, FAILED]
    assert imported[0].out.endswith("is there to be looked at: as a run that has ended (terminated).\n")
    assert "There is a workflow 'g-1' here already" in imported[2].sentence

    assert left.run("workflow", "result", "g-1", *elsewhere).document == "Hello, Ann!"
    described = left.run("workflow", "describe", "s-1", "--json", *elsewhere).document
    assert (described["status"], described.get("activities", [])) == ("terminated", [])
    assert left.run("verify", *elsewhere).exit_code == DONE

    shown = left.run("workflow", "export", "g-1", "--redact", "all", *STORED)
    assert (shown.exit_code, shown.err) == (DONE, "")
    (folder / "half.json").write_text(shown.out[: len(shown.out) // 2])
    (folder / "newer.json").write_text(shown.out.replace('"dalsegno_history": 1', '"dalsegno_history": 7'))
    for file, exit_code, why in (
        ("half.json", USAGE, "half.json is a history that was cut off or changed"),
        ("newer.json", NEWER, "newer.json is a history of format 7"),
    ):
        done = left.run("workflow", "import", file, *elsewhere)
        assert (done.exit_code, why in done.sentence) == (exit_code, True), done.err


def test_a_test_case_fails_as_the_workflow_did(left: Shell, folder: Path) -> None:
    (folder / "cases").mkdir()
    written = left.run("workflow", "testcase", "d-1", "tests.cli.sample", "-o", "cases", *STORED)
    assert written.exit_code == DONE, written.err
    *_, said = written.out.splitlines()
    assert said.startswith("The test fails now: fails the run: ")
    test = folder / "cases" / "test_d_1.py"
    program: dict[str, Any] = {"__file__": str(test)}
    exec(compile(test.read_text(), str(test), "exec"), program)
    with pytest.raises(ReplayFailedError, match="fails the run: "):
        program["test_d_1"]()

    converter, around = "dalsegno:DataConverter.default", "tests.propagated:propagated"
    flags = ["--data-converter", converter, "--interceptor", around, "-o", "around"]
    (folder / "around").mkdir()
    intercepted = left.run("workflow", "testcase", "d-1", "tests.cli.sample", *flags, *STORED)
    assert (intercepted.exit_code, intercepted.out.splitlines()[-1]) == (DONE, said), intercepted.err
    code = (folder / "around" / "test_d_1.py").read_text()
    assert "from tests.propagated import propagated" in code
    assert ", data_converter=DataConverter.default, interceptors=[propagated])" in code

    again = left.run("workflow", "testcase", "d-1", "tests.cli.sample", "-o", "cases", *STORED)
    assert (again.exit_code, "test_d_1.py already" in again.sentence) == (USAGE, True)
    ended = left.run("workflow", "testcase", "g-1", "tests.cli.sample", *STORED)
    assert (ended.exit_code, "'g-1' is completed: a test case is made of" in ended.sentence) == (FAILED, True)
    unheard = left.run("workflow", "testcase", "u-1", "tests.cli.sample", *STORED)
    assert (unheard.exit_code, "no workflow 'Unheard' in tests.cli.sample" in unheard.sentence) == (USAGE, True)


def test_what_is_gone_from_the_code_is_told_with_the_open_workflows_that_use_it(
    left: Shell, folder: Path
) -> None:
    assert left.run("upgrade", "inventory", "tests.cli.sample", "-o", "old.json").exit_code == DONE
    new = json.loads((folder / "old.json").read_text())
    del new["activities"]["dawdle"], new["activities"]["greet"], new["workflows"]["Slow"]
    (folder / "new.json").write_text(json.dumps(new))

    told = left.run("upgrade", "diff", "old.json", "new.json", *STORED)
    assert (told.exit_code, told.err) == (FAILED, "")
    assert told.out.splitlines() == [
        "Breaks:",
        "  workflow Slow: is gone, and 1 open workflow is of it: s-1",
        "  activity dawdle: is gone, and 1 open workflow waits for it: s-1",
        "Also changed:",
        "  activity greet: is gone; no open workflow waits for it now",
    ]
    without = left.run("upgrade", "diff", "old.json", "new.json", "--json")
    assert (without.exit_code, len(without.documents)) == (FAILED, 3)
    assert {change["breaks"] for change in without.documents} == {True}
