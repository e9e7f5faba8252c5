"""User code that may only read: it is answered at once, and leaves no trace."""

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
    runtime.replaying = False
    outside = loop.enter()
    loop.refuse(refusal)
    try:
        yield refusal
    finally:
        loop.allow(runtime)
        loop.leave(outside)
        runtime.replaying = replaying
        ledger.restore(counters)
        runtime.put_back_random(random_state)
