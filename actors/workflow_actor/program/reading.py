"""User code that may only read, between two steps or within one: it is answered at once, without a trace."""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from dalsegno.actors.workflow_actor.loop.event_loop import DeterministicLoop
from dalsegno.actors.workflow_actor.loop.intent_ledger import IntentLedger
from dalsegno.actors.workflow_actor.loop.refusals import ReadOnlyRefusal
from dalsegno.actors.workflow_actor.program.code_error import code_error
from dalsegno.actors.workflow_actor.program.life import ProgramLife
from dalsegno.actors.workflow_actor.program.runtime import Runtime
from dalsegno.actors.workflow_actor.queries.failures import QueryHandlerError
from dalsegno.data_converter import DataConverter
from dalsegno.errors import PayloadCodecError
from dalsegno.failure import Failure
from dalsegno.payload import Payload


class Reading:
    """Of one program, as it is now."""

    def __init__(
        self,
        loop: DeterministicLoop,
        ledger: IntentLedger,
        context: contextvars.Context,
        runtime: Runtime,
        life: ProgramLife,
        converter: DataConverter,
    ) -> None:
        self._loop = loop
        self._ledger = ledger
        self._context = context
        self._runtime = runtime
        self._life = life
        self._converter = converter

    def look(self, who: str, look: Callable[[], Failure | None]) -> Failure | None:
        """What `look` gives, which catches what its code raises. `who` names that, for people."""
        with self._reading(who) as refusal:
            failure = self._context.copy().run(look)
            missing = self._missing_key
        if refusal.woke:
            self._life.spoiled(who)
        return self._converter.to_failure(missing) if failure is None and missing is not None else failure

    def query(self, name: str, answer: Callable[[], Payload]) -> Payload:
        """What the handler answers. Raises QueryHandlerError for whatever that raises."""
        who = f"the query handler {name!r}"
        answered: Payload | tuple[str, Failure]
        with self._reading(who) as refusal:
            try:
                answered = self._context.copy().run(answer)
            except BaseException as error:  # noqa: BLE001 - user code may raise anything
                bug = code_error(error).shown(hides_messages=self._converter.hides_messages)
                answered = bug.reason, self._converter.to_failure(error)
            missing = self._missing_key
        if missing is not None and isinstance(answered, Payload):
            answered = str(missing), self._converter.to_failure(missing)
        if refusal.woke:
            self._life.spoiled(who)
        if isinstance(answered, Payload):
            return answered
        reason, failure = answered
        raise QueryHandlerError(f"The query {name!r} failed: {reason}", failure)

    @property
    def _missing_key(self) -> PayloadCodecError | None:
        """Of a payload that was read: whatever the code has made of that, it is no answer."""
        coded = self._converter._coded
        return None if coded is None else coded.trouble

    @contextmanager
    def _reading(self, where: str) -> Iterator[ReadOnlyRefusal]:
        """Within it user code is refused all that is not reading, and what it counts and draws is put back
        after it. `where` names the code, for people. If the refusal `woke` a task, the program is not what it
        was."""
        loop, ledger, runtime, coded = self._loop, self._ledger, self._runtime, self._converter._coded
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
                if coded is not None:
                    coded.trouble = None  # it was told to who asked, and is nothing to the next step
            ledger.restore(counters)
            runtime.put_back_random(random_state)
