"""`dalsegno workflow ...` and its like against a running namespace."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from dalsegno.cli import workflows
from dalsegno.cli.app import run
from dalsegno.cli.failures import BROKEN_PIPE, DONE, FAILED, UNAVAILABLE, USAGE
from tests.cli.shell import ROOT, Done, Program, Shell, until

ESCAPED = r"it\x1b]0;gotcha\x07 failed\u202e!"


@pytest.fixture(scope="module")
def greeted(dev: Program) -> Done:
    """The start of a workflow that has completed since: g-1."""
    return dev.shell.run("workflow", "start", "Greeting", "--id", "g-1", "--input", '"Ann"', "--wait")


def test_a_start_that_waits_prints_the_result_as_json(greeted: Done) -> None:
    assert (greeted.exit_code, greeted.out, greeted.err) == (DONE, '"Hello, Ann!"\n', "")


def test_a_workflow_that_does_not_complete_is_told_in_a_sentence_that_cannot_speak_to_the_terminal(
    dev: Program,
) -> None:
    done = dev.shell.run("workflow", "start", "Declined", "--id", "d-1", "--follow")

    assert done.exit_code == FAILED
    assert done.sentence == f"Workflow 'd-1' did not complete: it failed. activity decline failed: {ESCAPED}"
    told = [re.split(" {2,}", line)[1:] for line in done.out.splitlines()]
    assert told == [
        ["Declined", "started"],
        ["decline #1", "scheduled"],
        ["decline #1", "failed", ESCAPED],
        ["Declined", "failed", ESCAPED],
    ]


def test_machines_are_told_of_a_failure_on_standard_output_too(dev: Program) -> None:
    done = dev.shell.run("workflow", "start", "Declined", "--id", "d-2", "--wait", "--json")

    assert done.exit_code == FAILED
    assert done.document["workflow_id"] == "d-2"
    assert done.document["failure"]["type"] == "Declined" or "decline" in done.document["failure"]["message"]
    assert "\x1b" not in done.out


def test_a_start_without_waiting_says_which_run_it_is(dev: Program) -> None:
    done = dev.shell.run("workflow", "start", "Patient", "--id", "p-1", "--json", "--message-id", "m-1")
    again = dev.shell.run("workflow", "start", "Patient", "--id", "p-1", "--message-id", "m-1")

    assert done.exit_code == again.exit_code == DONE
    assert set(done.document) == {"workflow_id", "run_id", "status"}
    assert again.out == f"p-1 is running, run {done.document['run_id']}\n"


def test_a_start_of_a_type_that_no_host_has_is_done_and_says_that_it_is_suspended(dev: Program) -> None:
    done = dev.shell.run("workflow", "start", "Unheard", "--id", "u-1", "--json")

    assert done.exit_code == DONE
    assert done.document["status"] == "suspended"
    assert "'Unheard'" in done.document["reason"]


def test_a_second_start_under_the_same_id_is_refused_while_the_first_runs(dev: Program) -> None:
    dev.shell.run("workflow", "start", "Patient", "--id", "p-2")

    done = dev.shell.run("workflow", "start", "Patient", "--id", "p-2")

    assert done.exit_code == FAILED
    assert "p-2" in done.sentence


def test_signals_and_queries_reach_a_workflow_until_it_has_ended(dev: Program) -> None:
    dev.shell.run("workflow", "start", "Patient", "--id", "p-3")

    signalled = dev.shell.run("workflow", "signal", "p-3", "say", "-i", '"hello"')
    heard = dev.shell.run("workflow", "query", "p-3", "heard")
    result = dev.shell.run("workflow", "result", "p-3", "--json")
    late = dev.shell.run("workflow", "signal", "p-3", "say", "-i", '"hello?"')

    assert (signalled.exit_code, signalled.out) == (DONE, "p-3: signalled\n")
    assert (heard.exit_code, heard.document) == (DONE, ["hello"])
    assert (result.exit_code, result.document["result"]) == (DONE, ["hello"])
    assert late.exit_code == FAILED
    assert "'p-3' has ended" in late.sentence


def test_a_query_that_there_is_none_of_is_refused_with_those_that_there_are(
    dev: Program, greeted: Done
) -> None:
    dev.shell.run("workflow", "start", "Patient", "--id", "p-4")

    done = dev.shell.run("workflow", "query", "p-4", "seen")

    assert done.exit_code == FAILED
    assert "'seen'" in done.sentence
    assert "'heard'" in done.sentence


@pytest.mark.parametrize(
    "command", [("describe",), ("result",), ("history",), ("signal", "say"), ("terminate",)], ids=lambda c: c[0]
)
def test_an_unknown_workflow_is_refused_by_its_id(dev: Program, command: tuple[str, ...]) -> None:
    name, *rest = command

    done = dev.shell.run("workflow", name, "nobody", *rest)

    assert done.exit_code == FAILED
    assert done.sentence == "no workflow has the ID 'nobody'"


def test_waiting_for_a_result_ends_with_its_time(dev: Program) -> None:
    dev.shell.run("workflow", "start", "Patient", "--id", "p-5")

    done = dev.shell.run("workflow", "result", "p-5", "--timeout", "0.5")

    assert done.exit_code == UNAVAILABLE
    assert done.sentence.startswith("Workflow 'p-5' has not ended within 0.5 s: it waits for ")


@pytest.mark.parametrize("flag", ["--wait", "--follow"])
def test_a_start_that_waits_for_what_is_suspended_ends_with_its_time_and_says_why(
    dev: Program, flag: str
) -> None:
    done = dev.shell.run("workflow", "start", "Unheard", "--id", f"u-3{flag}", flag, "--timeout", "3")

    told, sentence = done.err.splitlines()
    assert done.exit_code == UNAVAILABLE
    assert told.startswith(f"u-3{flag} is suspended: this host has no workflow 'Unheard'")
    assert sentence.startswith(f"dalsegno: Workflow 'u-3{flag}' has not ended within 3 s: it is suspended: ")
    assert "no workflow 'Unheard'" in sentence


def test_a_history_that_is_followed_ends_with_its_time(dev: Program) -> None:
    dev.shell.run("workflow", "start", "Patient", "--id", "p-11")

    done = dev.shell.run("workflow", "history", "p-11", "--follow", "--timeout", "2")

    assert done.exit_code == UNAVAILABLE
    assert done.sentence.startswith("Workflow 'p-11' has not ended within 2 s")
    assert "Patient" in done.out


@pytest.mark.parametrize(("flags", "seconds"), [([], None), (["--timeout", "3"], 3.0)], ids=["none", "a flag"])
def test_the_time_for_answers_of_the_environment_does_not_end_what_is_waited_for(
    flags: list[str], seconds: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float | None] = []
    monkeypatch.setenv("DALSEGNO_TIMEOUT", "4")
    monkeypatch.setattr(workflows, "start", lambda *_, wait_seconds, **__: waited.append(wait_seconds))

    assert run(["workflow", "start", "Patient", "--id", "p-1", "--wait", *flags]) == DONE
    assert waited == [seconds]


def test_who_asks_for_a_result_is_told_that_the_workflow_is_suspended(dev: Program) -> None:
    dev.shell.run("workflow", "start", "Patient", "--id", "p-12")
    dev.shell.run("workflow", "suspend", "p-12", "--reason", "the shop is closed")

    with dev.shell.start("workflow", "result", "p-12") as waiting:
        until(lambda: "p-12 is suspended: " in waiting.err, "it says so")
        assert "the shop is closed (still waiting)" in waiting.err
        dev.shell.run("workflow", "resume", "p-12")
        dev.shell.run("workflow", "signal", "p-12", "say", "-i", '"open"')
        assert waiting.wait() == DONE
        assert waiting.out == '["open"]\n'


@pytest.mark.parametrize(("name", "wrong"), [("", "is empty"), ("x" * 300, "is longer than 255 bytes")])
def test_an_id_that_is_none_is_refused_before_anything_is_sent(dev: Program, name: str, wrong: str) -> None:
    started = dev.shell.run("workflow", "start", "Patient", "--id", name)
    described = dev.shell.run("workflow", "describe", name)

    for done in (started, described):
        assert done.exit_code == USAGE
        assert f"workflow_id {wrong}" in done.sentence
        assert "`" not in done.sentence


def test_a_reason_that_ends_with_a_full_stop_is_followed_by_no_second(dev: Program) -> None:
    done = dev.shell.run("workflow", "start", "Slow", "--id", "s-4", "-i", "1")

    assert "was sent 1. Run " in done.out


def test_resuming_what_runs_says_that_there_was_nothing_to_resume(dev: Program) -> None:
    dev.shell.run("workflow", "start", "Patient", "--id", "p-9")

    done = dev.shell.run("workflow", "resume", "p-9")

    assert (done.exit_code, done.out) == (DONE, "p-9: was not suspended\n")


def test_an_operator_suspends_resumes_and_terminates(dev: Program) -> None:
    dev.shell.run("workflow", "start", "Patient", "--id", "p-6")

    suspended = dev.shell.run("workflow", "suspend", "p-6", "--reason", "the\x1b[31m shop is closed")
    described = dev.shell.run("workflow", "describe", "p-6")
    resumed = dev.shell.run("workflow", "resume", "p-6")
    assert resumed.out == "p-6: resumed\n"
    terminated = dev.shell.run("workflow", "terminate", "p-6", "--reason", "never mind", "--json")
    result = dev.shell.run("workflow", "result", "p-6")

    assert [suspended.exit_code, resumed.exit_code, terminated.exit_code] == [DONE, DONE, DONE]
    facts = dict(line.split("  ", 1) for line in described.out.splitlines())
    assert facts["status"].strip() == "suspended"
    assert r"the\x1b[31m shop is closed" in facts["reason"]
    assert terminated.document == {"workflow_id": "p-6", "done": "terminated"}
    assert result.exit_code == FAILED
    assert result.sentence == "Workflow 'p-6' did not complete: it was terminated. never mind"


def test_a_signal_that_does_not_fit_is_in_quarantine_until_somebody_sees_to_it(dev: Program) -> None:
    def quarantine(what: str, *words: str) -> Done:
        return dev.shell.run("workflow", "quarantine", what, "p-8", *words)

    dev.shell.run("workflow", "start", "Patient", "--id", "p-8")
    for word in ("17", "18"):
        assert dev.shell.run("workflow", "signal", "p-8", "say", "-i", word).exit_code == DONE

    described = dev.shell.run("workflow", "describe", "p-8")
    listed, shown = quarantine("list", "--json"), quarantine("show", "2")
    dropped, edited = quarantine("drop", "2"), quarantine("edit", "1", "-i", '"17"')
    missing = [quarantine("show", "2"), quarantine("retry", "2")]
    retried = quarantine("retry", "1")
    result = dev.shell.run("workflow", "result", "p-8")
    told = dev.shell.run("workflow", "history", "p-8")

    facts = {name: fact.strip() for name, fact in (x.split("  ", 1) for x in described.out.splitlines())}
    assert facts["status"] == "running"
    assert facts["in quarantine"] == "say (1), say (2)"
    assert [signal["number"] for signal in listed.document] == [1, 2]
    assert "The signal 'say' does not fit its handler" in shown.document["reason"]
    assert shown.document["args"] == [18]
    assert [edited.exit_code, retried.exit_code, dropped.exit_code] == [DONE, DONE, DONE]
    assert [missed.exit_code for missed in missing] == [USAGE, FAILED]
    assert all("in the quarantine" in missed.sentence for missed in missing)
    assert result.document == ["17"]
    assert quarantine("list").out == "Nothing is in the quarantine of p-8.\n"
    for what in ("quarantine  The signal 'say'", "quarantined signal 1", "retry"):
        assert what in told.out


def test_a_cancelled_workflow_did_not_complete(dev: Program) -> None:
    dev.shell.run("workflow", "start", "Patient", "--id", "p-7")

    cancelled = dev.shell.run("workflow", "cancel", "p-7")
    result = dev.shell.run("workflow", "result", "p-7")

    assert cancelled.exit_code == DONE
    assert result.exit_code == FAILED
    assert "'p-7' did not complete: it was canceled." in result.sentence


def test_a_history_has_a_line_for_each_step(dev: Program, greeted: Done) -> None:
    done = dev.shell.run("workflow", "history", "g-1", "--follow")

    told = [re.split(" {2,}", line)[1:] for line in done.out.splitlines()]
    assert told == [
        ["Greeting", "started", '"Ann"'],
        ["greet #1", "scheduled", '"Ann"'],
        ["greet #1", "completed", '"Hello, Ann!"'],
        ["Greeting", "completed", '"Hello, Ann!"'],
    ]


def test_machines_get_a_history_with_every_event(dev: Program, greeted: Done) -> None:
    entries = dev.shell.run("workflow", "history", "g-1", "--json").documents

    assert [entry["sequence"] for entry in entries] == list(range(1, len(entries) + 1))
    assert all(set(entry) == {"sequence", "time", "cause", "events"} for entry in entries)
    assert [event["type"] for entry in entries for event in entry["events"]][-1] == "RunClosed"


def test_a_list_of_nothing_says_that_there_is_nothing(dev: Program) -> None:
    told = dev.shell.run("workflow", "list", "--type", "NeverStarted")
    document = dev.shell.run("workflow", "list", "--type", "NeverStarted", "--json")

    assert (told.exit_code, told.out) == (DONE, "No runs that fit.\n")
    assert (document.exit_code, document.out) == (DONE, "")


def test_runs_are_listed_newest_first(dev: Program, greeted: Done) -> None:
    dev.shell.run("workflow", "start", "Greeting", "--id", "g-2", "--input", '"Bob"', "--wait")

    listed = dev.shell.run("workflow", "list", "--type", "Greeting", "--json").documents
    newest = dev.shell.run("workflow", "list", "--type", "Greeting", "--status", "completed", "--limit", "1")

    assert [run["workflow_id"] for run in listed] == ["g-2", "g-1"]
    assert set(listed[0]) == {
        "workflow_id", "run_id", "workflow_type", "task_queue", "status", "started_at", "closed_at", "reason",
            "search_attributes",
    }  # fmt: skip
    header, row = newest.out.splitlines()
    assert header.split()[:4] == ["workflow", "ID", "type", "status"]
    assert row.split()[:3] == ["g-2", "Greeting", "completed"]


def test_somebody_who_waits_for_a_suspended_workflow_is_told(dev: Program) -> None:
    with dev.shell.start("workflow", "start", "Unheard", "--id", "u-2", "--wait") as waiting:
        until(lambda: "u-2 is suspended: this host has no workflow 'Unheard'" in waiting.err, "it says so")
        dev.shell.run("workflow", "terminate", "u-2")

        assert waiting.wait() == FAILED
        assert waiting.err.splitlines()[-1].startswith("dalsegno: Workflow 'u-2' did not complete")


def test_a_reader_that_has_left_ends_a_command_quietly_as_a_pipe_ends_any(dev: Program, greeted: Done) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "dalsegno.cli", "workflow", "history", "g-1", "--json"]

    done = subprocess.run(
        command,
        cwd=dev.shell.folder,
        env=dev.shell.environment,
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )

    os.close(writer)
    assert (done.returncode, done.stderr) == (BROKEN_PIPE, "")


@pytest.mark.parametrize("redirection", ["| true", ">&-"], ids=["a reader that left", "no output at all"])
def test_output_that_nobody_reads_is_no_reason_to_complain(dev: Program, redirection: str) -> None:
    line = f"{sys.executable} -m dalsegno.cli workflow list {redirection}"

    done = subprocess.run(
        ["bash", "-c", line],
        cwd=dev.shell.folder,
        env=dev.shell.environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (DONE, "")


@pytest.mark.parametrize("what", ["workflow list", "workflow list --json", "workflow result g-1", "ping"])
def test_output_that_cannot_be_written_is_said(dev: Program, greeted: Done, what: str) -> None:
    done = in_bash(dev.shell, f"{what} >/dev/full")

    assert done.exit_code == USAGE
    assert done.sentence == "cannot use standard output: No space left on device"


@pytest.mark.parametrize("redirection", ["2>/dev/full", "2>&-", "2> >(true)"])
def test_what_cannot_be_said_changes_no_exit_code(dev: Program, redirection: str) -> None:
    assert in_bash(dev.shell, f"workflow describe nobody {redirection}").exit_code == FAILED
    assert in_bash(dev.shell, f"workflow frobnicate {redirection}").exit_code == USAGE
    waiting = in_bash(
        dev.shell, f"workflow start Unheard --id u-{len(redirection)} --wait --timeout 1 {redirection}"
    )
    assert waiting.exit_code == UNAVAILABLE


@pytest.mark.parametrize(
    "surroundings", ["env -i", "env -u HOME TERM=dumb NO_COLOR=1 LC_ALL=C TMPDIR=/nonexistent"]
)
def test_the_surroundings_of_a_terminal_are_not_needed(dev: Program, greeted: Done, surroundings: str) -> None:
    done = in_bash(dev.shell, "workflow describe g-1", f"{surroundings} PYTHONPATH={ROOT}")

    assert (done.exit_code, done.err) == (DONE, "")
    assert 'result         "Hello, Ann!"' in done.out


def in_bash(shell: Shell, line: str, before: str = "") -> Done:
    done = subprocess.run(
        ["bash", "-c", f"{before} {sys.executable} -P -m dalsegno.cli {line}"],
        cwd=shell.folder,
        env=shell.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize(
    ("command", "wrong"),
    [
        (("start", "Patient", "--id", "no-1", "--execution-timeout", "-1"), "execution_timeout"),
        (("start", "Patient", "--id", "no-1", "--execution-timeout", "inf"), "execution_timeout"),
        (("start", "Patient", "--id", "no-1", "--message-id", ""), "message_id"),
        (("start", "Patient", "--id", "no-1", "--priority", "6"), "--priority"),
        (("start", "Patient", "--id", "no-1", "--timeout", "nan"), "--timeout"),
        (("list", "--timeout", "-1"), "--timeout"),
        (("list", "--type", ""), "workflow_type"),
        (("signal", "no-1", "say", "--message-id", "a\nb"), "message_id"),
    ],
)
def test_a_value_that_cannot_be_is_wrong_usage(dev: Program, command: tuple[str, ...], wrong: str) -> None:
    done = dev.shell.run("workflow", *command)

    assert (done.exit_code, done.out) == (USAGE, "")
    assert wrong in done.sentence
    assert "defect" not in done.sentence


def test_an_answer_can_be_read_from_a_file(dev: Program) -> None:
    (dev.shell.folder / "name.json").write_text('"Cleo"')

    done = dev.shell.run("workflow", "start", "Greeting", "--id", "g-3", "--input", "@name.json", "--wait")

    assert done.document == "Hello, Cleo!"


def test_the_hosts_and_what_they_own_are_shown(dev: Program) -> None:
    pong = dev.shell.run("ping", "--json").document
    (host,) = dev.shell.run("hosts", "--json").documents
    table = dev.shell.run("hosts").out.splitlines()
    partitions = dev.shell.run("partitions", "--json").documents

    assert pong["host_id"] == host["host_id"]
    assert host["partitions"] == list(range(16))
    assert table[1].split()[0] == host["host_id"]
    assert table[1].split()[-1] == "0-15"
    assert [(p["partition"], p["owner"]) for p in partitions] == [(n, host["host_id"]) for n in range(16)]


def test_of_several_statuses_and_types_those_are_listed_that_have_one(dev: Program, greeted: Done) -> None:
    dev.shell.run("workflow", "start", "Declined", "--id", "d-3", "--wait")
    dev.shell.run("workflow", "start", "Patient", "--id", "p-10")

    def listed(*filters: str) -> set[str]:
        return {run["workflow_id"] for run in dev.shell.run("workflow", "list", *filters, "--json").documents}

    ended = listed("--status", "completed", "--status", "failed")
    assert {"g-1", "d-3"} <= ended
    assert "p-10" not in ended
    assert {"g-1", "p-10"} <= listed("--type", "Greeting", "--type", "Patient")
    assert "d-3" not in listed("--type", "Greeting", "--type", "Patient")
    assert listed("--type", "Declined", "--type", "Patient", "--status", "failed", "--status", "running") == {
        name for name in ended if name.startswith("d-")
    } | listed("--type", "Patient", "--status", "running")
