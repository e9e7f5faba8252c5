"""What `dalsegno dev` says in sentences of its host's log."""

from __future__ import annotations

from dalsegno.cli.news import sentences


def test_an_activity_that_waits_for_a_person_is_told_with_what_that_may_do() -> None:
    event = {
        "event": "incident_opened",
        "workflow_id": "o-1",
        "workflow_type": "Order",
        "incident": 2,
        "reason": "activity charge failed after 3 attempts: closed.",
    }
    assert sentences(event).splitlines() == [
        "Workflow 'o-1' (Order) waits for a person: activity charge failed after 3 attempts: closed.",
        "    It goes on by `dalsegno incidents retry o-1 2`, or `complete` or `fail`.",
    ]
