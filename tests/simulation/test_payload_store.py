"""What workflow code makes for a payload store that is slow, and refuses some of it: no promise is broken, and
nothing is sealed before all of it is there."""

from __future__ import annotations

import os
from typing import Any
from unittest.mock import patch
from zlib import crc32

import pytest

from dalsegno.actors.workflow_actor.instance import Instance
from dalsegno.actors.workflow_actor.program.replay import LiveProgram
from dalsegno.actors.workflow_actor.turn import Turn
from tests.simulation.language import WHOLE_FROM
from tests.simulation.runner import run_seeds

MAKING_ONE_IN = 3
seal = Instance._seal


def some_pieces(live: LiveProgram) -> dict[str, bytes]:
    """Of one step in three: the same ones in each simulation of a seed."""
    info = getattr(live.program, "_info", None)
    if info is None or crc32(f"{info.run_id} {live._position}".encode()) % MAKING_ONE_IN:
        return {}
    return {f"{info.run_id} {live._position}": b""}


def sealed(instance: Instance, turn: Turn, *rest: Any, **options: Any) -> Any:
    assert not turn.pieces, "it refers to what is not there"
    return seal(instance, turn, *rest, **options)


@pytest.mark.parametrize("first", [0, WHOLE_FROM])
def test_no_promise_is_broken_by_a_payload_store_that_is_slow_and_refuses(first: int) -> None:
    with patch.object(LiveProgram, "take_pieces", some_pieces), patch.object(Instance, "_seal", sealed):
        summary = run_seeds(range(first + 40_000, first + 40_008), stop_at=1)
    failures = [
        f"{each.seed}: {each.text}{os.linesep}{os.linesep.join(each.trace)}" for each in summary.failures
    ]
    assert not failures, failures[0]
