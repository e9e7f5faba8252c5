"""`dalsegno why`, with a host and without one."""

from __future__ import annotations

from pathlib import Path

import pytest

from dalsegno.cli.failures import DONE, FAILED, STUCK, USAGE
from tests.cli.sample import NOTES_VARIABLE
from tests.cli.shell import ANSWER_SECONDS, Shell


def test_why_is_told_with_what_helps_for_people_and_machines_also_when_no_host_is_left(folder: Path) -> None:
    shell = Shell(folder, DALSEGNO_TIMEOUT=ANSWER_SECONDS, **{NOTES_VARIABLE: str(folder / "notes")})
    with shell.start("dev", "tests.cli.sample") as dev:
        dev.wait_ready("host", "worker")
        assert shell.run("why", "--all").out == "No workflow is open.\n"
        for workflow_id, type_ in (("p-1", "Patient"), ("u-1", "Unheard")):
            assert shell.run("workflow", "start", type_, "--id", workflow_id).exit_code == DONE

        waits = shell.run("why", "p-1")
        assert waits.exit_code == DONE, waits.err
        assert waits.out.startswith("p-1: It waits for signal ")
        assert waits.out.splitlines()[-1].startswith("What helps: dalsegno workflow signal p-1 ")

        stuck = shell.run("why", "u-1", "--json")
        assert stuck.exit_code == STUCK, stuck.err
        assert (stuck.document["stuck"], stuck.document["reason"]["kind"]) == (True, "suspended")
        assert stuck.document["reason"]["helps"] == "dalsegno host MODULES"

        counted = shell.run("why", "--all", "--group")
        assert counted.exit_code == STUCK, counted.err
        assert [line.split()[1:] for line in counted.out.splitlines()[1:]] == [
            ["suspended:", "unknown_type,", "type", "Unheard", "u-1", "dalsegno", "host", "MODULES"],
            ["message:", "type", "Patient", "p-1", "dalsegno", "workflow", "signal", "p-1", "NAME"],
        ]
        one = shell.run("why", "--all", "-q", "Type = 'Patient'", "--json")
        assert (one.exit_code, one.document["workflow_id"]) == (DONE, "p-1")
        nobody = shell.run("why", "nobody")
        assert (nobody.exit_code, nobody.sentence) == (FAILED, "no workflow has the ID 'nobody'")

    alone = shell.run("why", "p-1")
    assert alone.exit_code == STUCK, alone.err
    first, also, helps = alone.out.splitlines()
    assert first == "p-1: No host is running, so no workflow moves."
    assert also.startswith("  also: It waits for a signal or an update;")
    assert helps == "What helps: dalsegno host MODULES"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "Say which: an ID, or --all for each open workflow."),
        (("o-1", "--all"), "Say which: an ID, or --all for each open workflow."),
        (("--all", "--run-id", "r-1"), "--run-id is for one workflow: give its ID."),
        (("o-1", "--group"), "--group and --filter are for --all."),
        (("--all", "--limit", "0"), ""),
    ],
)
def test_what_cannot_be_meant_is_refused(shell: Shell, arguments: tuple[str, ...], sentence: str) -> None:
    done = shell.run("why", *arguments)

    assert done.exit_code == USAGE
    assert sentence in done.sentence
