"""Workflow code that does not yield harms nobody: the signal at which it did so is set aside, and all go on."""

from __future__ import annotations

from typing import Any

import pytest

from dalsegno.cli.failures import DONE
from tests.cli.shell import Program, until

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("word", ["loop", "block"])
def test_a_signal_at_which_code_does_not_yield_is_set_aside_and_all_go_on(dev: Program, word: str) -> None:
    stuck, neighbour = f"stuck-{word}", f"neighbour-{word}"
    for workflow_id in (stuck, neighbour):
        dev.shell.run("workflow", "start", "Patient", "--id", workflow_id)
    lives = len(dev.ready("host"))

    assert dev.shell.run("workflow", "signal", stuck, "say", "-i", f'"{word}"').exit_code == DONE

    def set_aside() -> Any:
        """The signals that are."""
        listed = dev.shell.run("workflow", "quarantine", "list", stuck, "--json", "--timeout", "60")
        return listed.document if listed.exit_code == DONE else None

    assert "did not yield" in until(set_aside, "it is set aside", seconds=60)[0]["reason"]
    assert len(dev.ready("host")) == lives + 2
    # What is sent to it is handled, and the others never noticed.
    for workflow_id, said in ((stuck, "hello?"), (neighbour, "fine")):
        assert dev.shell.run("workflow", "signal", workflow_id, "say", "-i", f'"{said}"').exit_code == DONE
        assert dev.shell.run("workflow", "result", workflow_id).document == [said]
    assert len(dev.ready("host")) == lives + 2
