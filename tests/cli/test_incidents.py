"""`dalsegno incidents ...` against a running namespace."""

from __future__ import annotations

from dalsegno.cli.failures import DONE, FAILED, USAGE
from tests.cli.shell import Done, Program, until


def test_what_waits_for_a_person_is_found_shown_and_seen_to(dev: Program) -> None:
    def incidents(*words: str) -> Done:
        return dev.shell.run("incidents", *words)

    for workflow_id in ("r-1", "r-2"):
        dev.shell.run("workflow", "start", "Referred", "--id", workflow_id)
    until(lambda: len(incidents("list", "--json").document) == 2, "both wait")

    listed, described = incidents("list", "r-1"), dev.shell.run("workflow", "describe", "r-1")
    shown, missing = incidents("show", "r-1", "1"), incidents("show", "r-1", "2")
    unfit, done = incidents("complete", "r-1", "1", "--result", "7"), incidents("complete", "r-1", "1")
    failed = incidents("fail", "r-2", "1", "--reason", "written off", "--type", "Lost")
    late, nameless = incidents("retry", "r-1", "1"), incidents("fail", "r-2", "1", "--type", "Lost")
    results = [dev.shell.run("workflow", "result", workflow_id) for workflow_id in ("r-1", "r-2")]
    told = dev.shell.run("workflow", "history", "r-1")

    assert "decline" in listed.out
    assert "Declined: it" in listed.out
    facts = {
        name: fact.strip() for name, fact in (x.split("  ", 1) for x in described.out.splitlines() if "  " in x)
    }
    assert facts["status"] == "running"
    assert facts["incidents"].startswith("1 decline (Declined: it")
    assert facts["waiting for"].startswith("a person, for incident 1 (activity 1 decline)")
    assert (shown.document["activity_type"], shown.document["attempts"]) == ("decline", 1)
    assert (missing.exit_code, missing.sentence) == (
        USAGE,
        "Among the (first 100) open incidents of r-1 there is none of the number 2.",
    )
    assert unfit.exit_code == FAILED
    assert "The result of activity 1 decline" in unfit.sentence
    assert (done.exit_code, done.out) == (DONE, "r-1: goes on with this result for incident 1\n")
    assert results[0].document == "None"
    assert failed.exit_code == DONE
    assert "written off" in results[1].sentence
    assert late.exit_code == FAILED
    assert nameless.exit_code == USAGE
    assert "a person is waited for" in told.out
    assert incidents("list").out == "No incident is open.\n"


def test_all_that_fit_are_tried_again_and_what_says_neither_which_nor_a_filter_is_refused(dev: Program) -> None:
    def retry(*words: str) -> Done:
        return dev.shell.run("incidents", "retry", *words)

    for workflow_id in ("all-1", "all-2"):
        dev.shell.run("workflow", "start", "Referred", "--id", workflow_id)
    query = 'WorkflowID = "all-1" or WorkflowID = "all-2"'
    until(lambda: len(dev.shell.run("incidents", "list", "--json").document) == 2, "both wait")

    done, none = retry("--query", query), retry("--query", 'WorkflowID = "nobody"')
    both, neither, unreadable = retry("all-1", "1", "--query", query), retry("all-1"), retry("--query", "1 = 1")

    assert done.exit_code == DONE
    assert sorted(done.out.splitlines()) == [
        f"all-{number}: has the activity of incident 1 (decline) tried again" for number in (1, 2)
    ]
    assert none.out == "No incident of a workflow that fits is open.\n"
    assert (both.exit_code, neither.exit_code) == (USAGE, USAGE)
    assert unreadable.exit_code in (FAILED, USAGE)
    until(lambda: len(dev.shell.run("incidents", "list", "--json").document) == 2, "they have failed again")
    for workflow_id in ("all-1", "all-2"):
        dev.shell.run("workflow", "terminate", workflow_id)
