"""Signals that nobody has taken yet, as people see them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import islice

from dalsegno.actors.workflow_actor.signals.events import Signaled

NAMES_MAX = 20
"""Names come from outside, and a description has to fit into a message."""


def counted(inputs: Iterable[object]) -> dict[str, int]:
    """How many signals there are of each name, for the first few names."""
    names = Counter(input_.name for input_ in inputs if isinstance(input_, Signaled))
    return dict(islice(names.items(), NAMES_MAX))
