"""Workflow code that does not yield harms its own instance alone: it is suspended, and its neighbours go on."""

from __future__ import annotations

import pytest

from dalsegno.cli.failures import DONE
from tests.cli.shell import Program, until

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("word", ["loop", "block"])
def test_code_that_does_not_yield_is_suspended_and_its_neighbours_go_on(dev: Program, word: str) -> None:
    stuck, neighbour = f"stuck-{word}", f"neighbour-{word}"
    for workflow_id in (stuck, neighbour):
        dev.shell.run("workflow", "start", "Patient", "--id", workflow_id)
    lives = len(dev.ready("host"))

    assert dev.shell.run("workflow", "signal", stuck, "say", "-i", f'"{word}"').exit_code == DONE

    def suspended() -> str:
        """Why; empty if it is not."""
        return dev.shell.run("workflow", "describe", stuck, "--json").document["suspended_reason"] or ""

    reason = until(suspended, "it is suspended", seconds=60)
    assert "did not yield" in reason
    assert len(dev.ready("host")) == lives + 2
    # What is sent to it is still recorded, and it can be done away with; the others never noticed.
    assert dev.shell.run("workflow", "signal", stuck, "say", "-i", '"hello?"').exit_code == DONE
    assert dev.shell.run("workflow", "terminate", stuck).exit_code == DONE
    dev.shell.run("workflow", "signal", neighbour, "say", "-i", '"fine"')
    assert dev.shell.run("workflow", "result", neighbour).document == ["fine"]
    assert len(dev.ready("host")) == lives + 2
