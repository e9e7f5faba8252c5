"""Compensations as people see them."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any

from dalsegno.actors.workflow_actor.compensation.compensation import Compensation

SHOWN_MAX = 20
"""Names come from outside, and a description has to fit into a message."""
MESSAGE_CHARACTERS_MAX = 500


def described(compensations: Mapping[int, Compensation]) -> tuple[dict[str, Any], ...]:
    """The stack, newest first, as it is undone: the first few."""
    newest = islice(sorted(compensations, reverse=True), SHOWN_MAX)
    return tuple(_described(number, compensations[number]) for number in newest)


def _described(number: int, compensation: Compensation) -> dict[str, Any]:
    failure = compensation.failure
    return {
        "number": number,
        "saga": compensation.saga,
        "name": compensation.name,
        "step": compensation.step,
        "phase": compensation.phase,
        "pushed_at": compensation.pushed_at,
        "failure": None if failure is None else failure.message[:MESSAGE_CHARACTERS_MAX],
    }
