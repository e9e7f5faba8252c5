"""`dalsegno dev` from its start to Ctrl-C, and what it survives in between."""

from __future__ import annotations

import os
import re
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from dalsegno.cli.failures import DONE, INTERRUPTED, USAGE
from tests.cli.shell import ANSWER_SECONDS, Program, Shell, until


@pytest.fixture
def short() -> Iterator[Shell]:
    """As `shell`, by a short path, and with time for answers."""
    with tempfile.TemporaryDirectory(prefix="dalsegno-") as path:
        yield Shell(Path(path), DALSEGNO_TIMEOUT=ANSWER_SECONDS)


def test_it_says_what_it_runs_and_how_to_talk_to_it(dev: Program) -> None:
    lines = dev.out.splitlines()

    assert lines[0].startswith("dalsegno runs tests.cli.sample on files in .dalsegno.")
    assert "    dalsegno workflow start TYPE --id ID --input JSON --follow" in lines
    assert dev.ready("host")[0].endswith(" runs Greeting, Declined, Referred, Slow, Patient")
    assert dev.ready("worker")[0].endswith(" on task queue default runs dawdle, decline, greet")
    assert dev.err == ""


def test_its_hints_name_its_broker_where_the_environment_names_another(short: Shell) -> None:
    with short.start("dev", "tests.cli.sample", DALSEGNO_BROKER="amqp://elsewhere") as program:
        program.wait_ready("host")

        assert "    dalsegno workflow list --broker embedded:.dalsegno/broker.db" in program.out.splitlines()


def test_a_second_one_on_the_same_files_says_whom_it_waits_for_and_serves_when_that_has_ended(
    short: Shell,
) -> None:
    with short.start("dev", "tests.cli.sample") as first:
        first.wait_ready("host")
        other = Shell(short.folder / "other", **short.environment)
        other.folder.mkdir()
        with other.start("dev", "tests.cli.sample", "--dir", "../.dalsegno") as second:
            until(lambda: "waiting until it ends" in second.err, "it says so")

            assert (
                f"runs in {short.folder}/other/../.dalsegno (process {first.process.pid}, since 20"
                in second.err
            )
            assert second.out == ""
            assert short.run("ping").exit_code == DONE
            assert first.stop() == DONE
            second.wait_ready("host", "worker")
            assert second.stop() == DONE


def test_where_a_host_runs_on_its_files_it_waits_for_that_and_ctrl_c_gives_up(short: Shell) -> None:
    assert short.run("init").exit_code == DONE
    with short.start("host", "tests.cli.sample") as host:
        host.wait_ready("host")
        with short.start("dev", "tests.cli.sample") as waiting:
            until(lambda: "waiting until it ends" in waiting.err, "it says so")

            assert waiting.err.startswith("A host runs on ")
            assert f"(process {host.host_process().pid}, since 20" in waiting.err
            waiting.signal(signal.SIGINT)
            assert waiting.wait() == INTERRUPTED
        assert host.stop() == DONE


def test_workflows_go_on_where_they_were_when_the_host_is_killed(dev: Program) -> None:
    dev.shell.run("workflow", "start", "Patient", "--id", "p-1")

    dev.host_process().kill()
    dev.wait_ready("host", times=2)

    asked = dev.shell.run("workflow", "query", "p-1", "heard")
    dev.shell.run("workflow", "signal", "p-1", "say", "-i", '"hello"')
    result = dev.shell.run("workflow", "result", "p-1")
    greeted = dev.shell.run("workflow", "start", "Greeting", "--id", "g-1", "-i", '"Ann"', "--wait")
    assert asked.document == []
    assert result.document == ["hello"]
    assert greeted.document == "Hello, Ann!"


def test_its_parent_outlives_a_standard_error_that_nobody_reads_any_more(short: Shell) -> None:
    """The parent has a warning to say when a host dies."""
    readable, writable = os.pipe()
    with short.start("dev", "tests.cli.sample", err=writable) as program:
        os.close(writable)
        program.wait_ready("host")
        os.close(readable)

        program.host_process().kill()

        program.wait_ready("host", times=2)
        assert program.stop() == DONE


def test_no_password_stands_on_the_command_lines_of_its_children(dev: Program) -> None:
    lines = [" ".join(child.cmdline()) for child in dev.children()]

    assert len(lines) == 2
    assert [line for line in lines if "broker.db" in line or "dalsegno.db" in line] == []


def test_ctrl_c_ends_it_with_its_children_and_the_next_one_goes_on(short: Shell) -> None:
    with short.start("dev", "tests.cli.sample") as first:
        first.wait_ready("host", "worker")
        short.run("workflow", "start", "Patient", "--id", "p-1")
        first.signal(signal.SIGINT)
        assert first.wait() == DONE

    with short.start("dev", "tests.cli.sample") as second:
        second.wait_ready("host", "worker")
        short.run("workflow", "signal", "p-1", "say", "-i", '"still there?"')
        assert short.run("workflow", "result", "p-1").document == ["still there?"]
        assert second.stop() == DONE


def test_its_children_end_when_it_is_killed(short: Shell) -> None:
    with short.start("dev", "tests.cli.sample") as program:
        program.wait_ready("host", "worker")
        children = program.children()

        os.kill(program.process.pid, signal.SIGKILL)

        program.process.wait()
        until(lambda: not any(psutil.pid_exists(child.pid) for child in children), "host and worker have ended")


def test_modules_without_activities_need_no_worker(short: Shell) -> None:
    with short.start("dev", "tests.cli.only_workflows") as program:
        program.wait_ready("host")
        done = short.run("workflow", "start", "Alone", "--id", "a-1", "--wait")
        until(lambda: "no activity in these modules: no worker runs" in program.out, "it says so")
        assert program.stop() == DONE

    assert done.document == "alone"


FLOWS = """
from dalsegno import workflow


@workflow.defn
class Waiting:
    def __init__(self) -> None:
        self.heard = ""

    @workflow.run
    async def run(self) -> str:
        await workflow.wait_condition(lambda: self.heard)
        return f"before {self.heard}"

    @workflow.signal
    def say(self, word: str) -> None:
        self.heard = word
"""


def test_with_reload_open_workflows_go_on_with_the_new_code_and_code_that_is_broken_is_told(
    short: Shell,
) -> None:
    flows = short.folder / "flows.py"
    flows.write_text(FLOWS)
    with short.start("dev", "flows", "--reload") as program:
        program.wait_ready("host")
        short.run("workflow", "start", "Waiting", "--id", "w-1")

        flows.write_text("x = (")
        until(lambda: "The module 'flows' cannot be imported: SyntaxError" in program.err, "it says why")
        until(lambda: "The code before goes on until the next change" in program.out, "it says so")
        assert short.run("ping").exit_code == DONE

        flows.write_text(FLOWS.replace("before", "after"))
        program.wait_ready("host", times=2)
        short.run("workflow", "signal", "w-1", "say", "-i", '"it"')
        assert short.run("workflow", "result", "w-1").document == "after it"
        assert program.out.count("changed: flows.py") >= 2
        assert program.stop() == DONE


def test_a_bug_in_workflow_code_is_said_at_once_and_once_and_so_is_that_it_is_mended(short: Shell) -> None:
    flows = short.folder / "flows.py"
    flows.write_text(FLOWS.replace("await workflow", "nothing.here()  #"))
    line = 1 + FLOWS[: FLOWS.index("await workflow")].count("\n")
    with short.start("dev", "flows", "--reload", "--log-level", "error") as program:
        program.wait_ready("host")
        short.run("workflow", "start", "Waiting", "--id", "w-1")
        until(lambda: "is tried again at" in program.err, "it says so")

        first, second = program.err.splitlines()
        assert first == (
            "Workflow 'w-1' (Waiting) is suspended: NameError: name 'nothing' is not defined "
            f"(flows.py:{line} in run)."
        )
        assert re.fullmatch(r"    It is tried again at \d\d:\d\d:\d\d UTC, and whenever .*", second)
        flows.write_text(FLOWS)
        until(lambda: "goes on." in program.err, "it says that it is mended")
        assert program.err.count("is suspended") == 1
        assert "Workflow 'w-1' (Waiting) goes on." in program.err.splitlines()


def test_for_machines_a_bug_in_workflow_code_stays_a_log_line(short: Shell) -> None:
    (short.folder / "flows.py").write_text(FLOWS.replace("await workflow", "nothing.here()  #"))
    with short.start("dev", "flows", "--log-format", "json") as program:
        program.wait_ready("host")
        short.run("workflow", "start", "Waiting", "--id", "w-1")

        def suspensions() -> list[dict[str, Any]]:
            return [line for line in program.logged if line["event"] == "workflow_suspended"]

        (told,) = until(suspensions, "it says so")
        assert (told["level"], told["workflow_id"]) == ("error", "w-1")


def test_with_reload_it_may_begin_with_code_that_is_broken(short: Shell) -> None:
    flows = short.folder / "flows.py"
    flows.write_text("raise LookupError('not yet')")
    with short.start("dev", "flows", "--reload") as program:
        until(lambda: "Waiting for the next change" in program.out, "it says so")
        assert "LookupError: not yet" in program.err

        flows.write_text(FLOWS)
        program.wait_ready("host")
        assert program.stop() == DONE


def test_with_reload_ctrl_c_ends_it_also_while_it_waits_for_a_change(short: Shell) -> None:
    (short.folder / "flows.py").write_text("raise LookupError('not yet')")
    with short.start("dev", "flows", "--reload") as program:
        until(lambda: "Waiting for the next change" in program.out, "it says so")
        program.signal(signal.SIGINT)
        assert program.wait() == DONE


def test_without_reload_code_that_is_broken_ends_it(short: Shell) -> None:
    (short.folder / "flows.py").write_text("raise LookupError('not yet')")
    assert short.run("dev", "flows").exit_code == USAGE
