"""Signals that nobody has taken yet, as people see them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

from dalsegno.actors.workflow_actor.interface.activation import NewlyQuarantined
from dalsegno.actors.workflow_actor.signals.events import Signaled
from dalsegno.actors.workflow_actor.signals.set_aside import QuarantinedSignal, RunOfSignals

NAMES_MAX = 20
"""Names come from outside, and a description has to fit into a message."""


def counted(inputs: Iterable[object]) -> dict[str, int]:
    """How many signals there are of each name, for the first few names."""
    names = Counter(input_.name for input_ in inputs if isinstance(input_, Signaled))
    return dict(islice(names.items(), NAMES_MAX))


ARGS_BYTES_MAX = 65_536
"""Of the arguments that are shown of all signals in the quarantine; a description has to fit into a message."""


def in_quarantine(quarantine: Mapping[int, QuarantinedSignal]) -> tuple[dict[str, Any], ...]:
    """By their numbers; arguments as long as there is room."""
    room, shown = ARGS_BYTES_MAX, []
    for number, signal in quarantine.items():
        room -= signal.size
        shown.append(
            {
                "number": number,
                "name": signal.name,
                "reason": signal.reason,
                "set_aside_at": signal.set_aside_at,
                "args": signal.args if room >= 0 else None,
            }
        )
    return tuple(shown)


def set_aside(before: RunOfSignals, after: RunOfSignals) -> tuple[NewlyQuarantined, ...]:
    """Those that are new."""
    numbers = range(before.quarantined + 1, after.quarantined + 1)
    kept = ((number, after.quarantine[number]) for number in numbers if number in after.quarantine)
    return tuple(NewlyQuarantined(number, one.name, one.reason, one.struck) for number, one in kept)
