"""What is called otherwise here answers to its name in Temporal's SDK, too."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import dalsegno
from dalsegno import ActivityError, ApplicationError, CanceledError, TimedOutError, is_cancelled_exception


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("CancelledError", "CanceledError"),
        ("TimeoutError", "TimedOutError"),
        ("WorkflowExecutionStatus", "WorkflowStatus"),
        ("WorkflowFailureError", "WorkflowFailedError"),
        ("WorkflowQueryFailedError", "QueryFailedError"),
    ],
)
def test_a_name_of_theirs_is_ours(theirs: str, ours: str) -> None:
    assert getattr(dalsegno, theirs) is getattr(dalsegno, ours)


def test_a_cancellation_is_known_whoever_tells_of_it() -> None:
    failed = ActivityError("pay", activity_type="pay", activity_id="1", attempt=1)
    assert not is_cancelled_exception(failed)
    failed.__cause__ = CanceledError("the customer")
    assert is_cancelled_exception(failed)
    assert is_cancelled_exception(asyncio.CancelledError())
    assert is_cancelled_exception(CanceledError("the customer"))
    assert not is_cancelled_exception(TimedOutError("late", timeout_type=dalsegno.TimeoutType.START_TO_CLOSE))
    assert not is_cancelled_exception(ApplicationError("no"))


def test_the_annotation_of_a_handle_may_name_the_workflow_first() -> None:
    handle: Any = dalsegno.WorkflowHandle
    child: Any = dalsegno.workflow.ChildWorkflowHandle
    assert handle[object, str] == handle[str]
    assert child[object, str]
