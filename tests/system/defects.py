"""A module for hosts whose import plants a defect in the engine: when the trap is set, the next commit is
durable, and what nobody contains is raised before the engine has taken note of all of it."""

from __future__ import annotations

import os
from pathlib import Path

from dalsegno.actors.supervisor.rounds import Rounds
from dalsegno.persistence.port import RoundOutcome
from tests.system.odd_workflows import Gathers

__all__ = ["Gathers"]

_committed = Rounds.committed


def committed(self: Rounds, outcome: RoundOutcome) -> None:
    """Half of it is done when the defect is met."""
    trap = Path(os.environ["SYSTEM_TRAP"])
    builder = self._open.writing
    if trap.exists() and builder is not None and builder.entries:
        trap.unlink()
        self._open.writing = None
        raise MemoryError("planted")
    _committed(self, outcome)


Rounds.committed = committed  # type: ignore[method-assign]
