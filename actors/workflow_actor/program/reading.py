"""User code that may only read, between two steps or within one: it is answered at once, without a trace."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from dalsegno.actors.workflow_actor.loop.event_loop import DeterministicLoop
from dalsegno.actors.workflow_actor.loop.intent_ledger import IntentLedger
from dalsegno.actors.workflow_actor.loop.refusals import ReadOnlyRefusal
from dalsegno.actors.workflow_actor.program.runtime import Runtime


@contextmanager
def reading(
    loop: DeterministicLoop, ledger: IntentLedger, runtime: Runtime, where: str
) -> Iterator[ReadOnlyRefusal]:
    """Within it user code is refused all that is not reading, and what it counts and draws is put back after
    it. `where` names the code, for people. If the refusal `woke` a task, the program is not what it was."""
    refusal = ReadOnlyRefusal(runtime, where)
    counters, random_state, replaying = ledger.counters(), runtime.random_state(), runtime.replaying
    is_within_step = loop.is_running()
    if not is_within_step:
        runtime.replaying = False
        outside = loop.enter()
    loop.refuse(refusal)
    try:
        yield refusal
    finally:
        loop.allow(runtime)
        if not is_within_step:
            loop.leave(outside)
            runtime.replaying = replaying
        ledger.restore(counters)
        runtime.put_back_random(random_state)
