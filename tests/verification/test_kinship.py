"""What one run says of another is what that one says of itself: verify finds where it is not."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing

import pytest

from dalsegno.actors.workflow_actor.children.child import ChildWorkflowSpec
from dalsegno.actors.workflow_actor.children.events import ChildBegun, ChildClosed, ChildWanted
from dalsegno.actors.workflow_actor.interface.run_info import RunInfo
from dalsegno.actors.workflow_actor.interface.workflow_of import WorkflowOf
from dalsegno.actors.workflow_actor.run.events import Event, Ran, Record, RunClosed, RunStarted
from dalsegno.partition_id import PartitionID
from dalsegno.persistence.port import JournalRow
from dalsegno.policies import WorkflowStatus
from dalsegno.verification.finding import Invariant
from dalsegno.verification.kinship import Kinship
from dalsegno.verification.used_ids import UsedIDs

Story = list[tuple[str, Event]]
"""Run by run, what is recorded."""

COMPLETED, FAILED = WorkflowStatus.COMPLETED, WorkflowStatus.FAILED


def found(story: Iterable[tuple[str, Event]]) -> list[str]:
    texts = []
    with closing(UsedIDs(remembered=1)) as used:
        checks: dict[str, Kinship] = {}
        for sequence, (run_id, event) in enumerate(story, 1):
            row = JournalRow(
                run_id=run_id,
                sequence=sequence,
                round=1,
                cause="wake-up",
                partition=PartitionID(1, 0),
                epoch=1,
                host="h",
                time=1,
                events=b"",
            )
            check = checks.setdefault(run_id, Kinship(used))
            for violation in check.on_record(row, Record(sequence, 1, False, (), (event,))):
                assert violation.invariant is Invariant.KINSHIP
                texts.append(violation.text)
    return texts


def started(run_id: str, *, parent: WorkflowOf | None = None, first: str | None = None) -> tuple[str, Event]:
    info = RunInfo(
        workflow_id="kid",
        run_id=run_id,
        workflow_type="t",
        task_queue="q",
        started_at=1,
        parent=parent,
        first_run_id=first,
        continued_run_id=None if first is None else "kid-1",
    )
    return run_id, RunStarted(info, (), (), "3.11")


def asked(workflow_id: str = "kid") -> tuple[str, Event]:
    return "mum", Ran((), (ChildWanted(1, ChildWorkflowSpec(workflow_id, "t", "q"), "terminate"),))


def goes_on(next_run_id: str) -> tuple[str, Event]:
    return "kid-1", RunClosed(WorkflowStatus.CONTINUED_AS_NEW, next_run_id=next_run_id)


BORN = started("kid-1", parent=WorkflowOf("mum-workflow", "mum", 1))
AFTER_THAT = started("kid-2", parent=WorkflowOf("mum-workflow", "mum", 1), first="kid-1")
BEGUN = ("mum", ChildBegun(1, "kid-1"))
ENDED = ("kid-2", RunClosed(COMPLETED))
TOLD = ("mum", ChildClosed(1, "kid-2", COMPLETED))
FAMILY: Story = [asked(), BORN, BEGUN, goes_on("kid-2"), AFTER_THAT, ENDED, TOLD]


def test_a_parent_and_its_child_say_the_same_whichever_is_read_first() -> None:
    assert found(FAMILY) == []
    assert found(sorted(FAMILY, key=lambda told: told[0])) == []
    assert found(sorted(FAMILY, key=lambda told: told[0], reverse=True)) == []


def test_what_is_kept_no_more_is_compared_with_nothing() -> None:
    for left_out in range(len(FAMILY)):
        assert found(FAMILY[:left_out] + FAMILY[left_out + 1 :]) == []


@pytest.mark.parametrize(
    ("story", "text"),
    [
        (
            [*FAMILY, started("kid-9", parent=WorkflowOf("mum-workflow", "mum", 1))],
            "is run kid-9 here, and kid-1",
        ),
        ([asked("stranger"), BORN], "is workflow kid here, and stranger elsewhere"),
        ([asked(), BORN, ("mum", ChildBegun(1, "kid-9"))], "is run kid-9 here, and kid-1 elsewhere"),
        ([*FAMILY[:-1], ("mum", ChildClosed(1, "kid-2", FAILED))], "run kid-2 has ended as failed here"),
        ([BORN, goes_on("kid-2"), started("kid-2", first="kid-0")], "begins with kid-0 here, and kid-1"),
        ([started("kid-1", first="kid-1")], "its chain is said to begin with kid-1"),
    ],
)
def test_what_is_said_otherwise_elsewhere_is_found(story: Story, text: str) -> None:
    (only,) = found(story)
    assert text in only
