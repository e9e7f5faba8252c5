"""A child that a person must help leaves its siblings alone."""

from __future__ import annotations

from pathlib import Path

from structlog.testing import capture_logs

from dalsegno.actors.supervisor.parent.parent import CONFIGURATION_ERROR
from dalsegno.persistence.port import Membership
from tests.servers import wait_until
from tests.supervisor.parent.children import spec
from tests.supervisor.parent.supervision import SECONDS, Supervise, join, live


def test_where_nobody_is_configured_nobody_is_started_again(supervise: Supervise) -> None:
    assert supervise(spec("misconfigured")).end_of_child() == CONFIGURATION_ERROR


def test_a_child_that_is_refused_leaves_its_siblings_alone_and_is_tried_again(
    supervise: Supervise, notes: Path, table: Membership
) -> None:
    """As when tables or formats are newer by now than what the version knows that runs."""
    supervision = supervise(spec("misconfigured, but for the first", str(notes), processes=2))
    children = supervision.parent.children
    wait_until(lambda: any(not child.is_alive() for child in children), SECONDS, "the refusal of one")
    refused, well = sorted(children, key=lambda child: child.is_alive())
    join(table, well.host_id)
    pauses = []

    with capture_logs() as logs:
        for _ in range(9):
            assert refused.process is not None
            refused.process.wait(SECONDS)
            assert supervision.look(after=0.0) is None
            pauses.append(refused.restart_at - supervision.now)
            supervision.now = refused.restart_at
            assert supervision.parent.look() is None

    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert [entry["child"] for entry in logs if entry["event"] == "child_refused"] == [refused.name]
    assert "restart_intensity_exceeded" not in [entry["event"] for entry in logs]
    assert well.is_alive()
    assert live(table) == [well.host_id]


def test_when_the_last_that_lived_is_refused_too_the_parent_ends(supervise: Supervise, notes: Path) -> None:
    supervision = supervise(spec("misconfigured, but for the first", str(notes), processes=2))
    children = supervision.parent.children
    wait_until(lambda: any(not child.is_alive() for child in children), SECONDS, "the refusal of one")
    last = next(child for child in children if child.is_alive())
    assert supervision.look() is None
    last.kill()
    assert supervision.look(after=0.0) is None

    def both_are_refused() -> bool:
        wait_until(lambda: not any(child.is_alive() for child in children), SECONDS, "the end of those started")
        return supervision.look(after=1.0) == CONFIGURATION_ERROR

    wait_until(both_are_refused, SECONDS, "the end")
