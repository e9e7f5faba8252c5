"""Signals that nobody has taken yet, as people see them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import islice

from dalsegno.actors.workflow_actor.signals.events import Signaled

NAMES_MAX = 20
"""Names come from outside, and a description has to fit into a message."""


def counted(signals: Iterable[Signaled]) -> dict[str, int]:
    """How many there are of each name, for the first few names."""
    return dict(islice(Counter(signal.name for signal in signals).items(), NAMES_MAX))
