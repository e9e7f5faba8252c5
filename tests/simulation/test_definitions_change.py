"""Definitions come, go and change in a world full of faults: whatever happens, what was promised holds."""

from __future__ import annotations

import pytest

from tests.simulation.deploying import DeployingSimulation


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", range(30_000, 30_020))
def test_no_promise_is_broken_while_definitions_change(seed: int) -> None:
    simulation = DeployingSimulation(seed)
    simulation.run()
    assert len(simulation.faults.happened) > 20
