"""Each story is told twice."""

from __future__ import annotations

import pytest


@pytest.fixture(params=[False, True], ids=["live", "passivated"])
def passivating(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)
