"""Requests about a run that is not its workflow's current one: read from the database, answered, forgotten."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import NamedTuple, Protocol, TypeVar

from msgspec.structs import replace

from dalsegno._log import get_logger
from dalsegno.actors.supervisor.failing.strikes import Strikes, struck
from dalsegno.actors.supervisor.outbox.outbox import Outbox
from dalsegno.actors.supervisor.outbox.shipment import to_reader
from dalsegno.actors.supervisor.partition.stored import instance_of
from dalsegno.actors.supervisor.wire import replies
from dalsegno.actors.workflow_actor.blame import LETTING_GO, NOBODY, Struck, mark_of, replay_mark_of
from dalsegno.actors.workflow_actor.instance import Instance
from dalsegno.actors.workflow_actor.interface.cause import AwaitOutcome, Cause
from dalsegno.actors.workflow_actor.interface.commands import Caller, ReadOnlyCommand
from dalsegno.actors.workflow_actor.interface.effects import AnswerEffect, Effect, ResultEffect
from dalsegno.actors.workflow_actor.payloads_needed import payloads_needed
from dalsegno.actors.workflow_actor.program.port import Code
from dalsegno.actors.workflow_actor.queries.commands import Query
from dalsegno.actors.workflow_actor.shown import answers
from dalsegno.actors.workflow_actor.stored.codec import CODEC, StoredCodec
from dalsegno.actors.workflow_actor.surroundings import Watch
from dalsegno.actors.workflow_actor.updates.commands import Update
from dalsegno.actors.workflow_actor.updates.sends import UpdateEffect
from dalsegno.actors.workflow_actor.updates.update import stage_of
from dalsegno.errors import PayloadStoreError, TooSlowError, UnreadableRowError
from dalsegno.persistence.port import LoadedInstance
from dalsegno.persistence.reader_port import PeopleReader
from dalsegno.stored_payloads import StoredPayloads

log = get_logger()

SLICE_SECONDS = 0.002
PAUSE_SECONDS = 0.004
"""How long a question has the loop, and for how long others have it then. A cold load passes the loop a few
times, and needs the interpreter on its own thread in between."""
_DONE = object()
T = TypeVar("T")


class RowSource(Protocol):
    """The people's thread, as far as it is used."""

    async def fetch(self, query: Callable[[PeopleReader], T]) -> T: ...


class FoundRun(NamedTuple):
    """`instance` is the error that kept it from being loaded, if one did; `struck` what killed hosts in it.
    `may_be_newer`: this host does not read all that may be written."""

    row: LoadedInstance
    instance: Instance | Exception
    struck: Struck
    may_be_newer: bool


GoOn = Callable[[Cause], None]


def _followed_to(instance: Instance, cause: Cause) -> str | None:
    """The run that it is about as well: that run has gone on as it, and an update along with it; or another one
    before it has taken the update."""
    command, state = cause.command, instance.state
    if state is None:
        return None
    if cause.goes_back and isinstance(command, Update) and stage_of(state, command.update_id) is None:
        return state.info.continued_run_id
    if state.next_run_id is None:
        return None
    if isinstance(command, Update) or (isinstance(command, AwaitOutcome) and command.update_id is not None):
        return state.next_run_id if command.update_id in state.updates else None
    return state.next_run_id if isinstance(command, AwaitOutcome) and command.follow_runs else None


class OtherRuns:
    """Such runs are closed: nothing about them can change, so reading them needs no lease. They are read on the
    people's thread, and their code is brought back in slices, one run at a time. `call_later` is the loop's.

    Whatever goes wrong here, the cause is done: it would hold up its partition for ever.
    """

    def __init__(
        self,
        outbox: Outbox,
        store: RowSource,
        code: Code,
        history_limit: int,
        *,
        watch: Watch,
        call_later: Callable[[float, Callable[[], None]], object],
        monotonic: Callable[[], float],
        codec: StoredCodec = CODEC,
        stored: StoredPayloads | None = None,
    ) -> None:
        self._outbox = outbox
        self._store = store
        self._code = code
        self._history_limit = history_limit
        self._watch = watch
        self._codec = codec
        self._stored = stored
        self._call_later = call_later
        self._monotonic = monotonic
        self._tasks: set[asyncio.Task[None]] = set()
        self._under_way: deque[Iterator[None]] = deque()
        """Questions to code, each a step at a time."""

    def answer(self, workflow_id: str, cause: Cause, go_on: GoOn) -> None:
        """`go_on` is given what is about the run as which that one went on, and names it from now on."""
        task = asyncio.get_running_loop().create_task(self._answer(workflow_id, cause, go_on))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, workflow_id: str, cause: Cause, go_on: GoOn) -> None:
        command = cause.command
        assert isinstance(command, AwaitOutcome | ReadOnlyCommand | Update)
        caller, run_id = command.caller, command.run_id
        if caller is None or run_id is None:
            cause.done()
            return
        try:
            found = await self._store.fetch(partial(self._read, run_id))
        except MemoryError:
            raise
        except (TooSlowError, UnreadableRowError) as error:  # to ask again would not help
            self._send(answers.refused(caller, workflow_id, None, ("rejected", str(error))), caller, cause)
            return
        except Exception as error:  # noqa: BLE001 - see the class; its sender asks again
            log.warning("other_run_not_read", run_id=run_id, reason=repr(error))
            cause.done()
            return
        if found is None or found.row.workflow_id != workflow_id:
            text = f"workflow {workflow_id!r} has no run {run_id!r}"
            refusal = answers.refused(caller, workflow_id, None, ("not_found", text))
            self._send(refusal, caller, cause)
            return
        if isinstance(command, Query) and found.struck.reason is not None:
            refusal = answers.refused(caller, workflow_id, None, ("rejected", found.struck.reason))
            self._send(refusal, caller, cause)
            return
        if self._stored is not None and isinstance(command, Query) and isinstance(found.instance, Instance):
            with suppress(PayloadStoreError):  # its code is told then
                await self._stored.have(payloads_needed(command, found.instance, now=0))
        self.begin(found, cause, caller, go_on)

    def _read(self, run_id: str, reader: PeopleReader) -> FoundRun | None:
        strikes = [(name, count) for (_, name), count in reader.strikes([run_id]).items()]
        row = reader.load_run(run_id)
        return None if row is None else self.load(row, strikes, written=reader.format_written())

    def load(self, row: LoadedInstance, strikes: Strikes = (), *, written: int) -> FoundRun:
        """Its state, which may take long. No code is run. `written`: the newest format that may be."""
        may_be_newer = written > self._codec.newest
        try:
            instance = instance_of(row, self._code, history_limit=self._history_limit, codec=self._codec)
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001 - it is the answer
            return FoundRun(row, error, NOBODY, may_be_newer=may_be_newer)
        strikes_of_run = struck(strikes, instance.fingerprint).of(row.run_id)
        return FoundRun(row, instance, strikes_of_run, may_be_newer=may_be_newer)

    def begin(self, found: FoundRun, cause: Cause, caller: Caller, go_on: GoOn) -> None:
        next_run_id = None if isinstance(found.instance, Exception) else _followed_to(found.instance, cause)
        if next_run_id is not None:
            assert isinstance(found.instance, Instance)
            state = found.instance.state
            # Once found it only goes on: a run that has forgotten it since would send it back for ever.
            cause.goes_back &= state is not None and next_run_id == state.info.continued_run_id
            cause.command = replace(cause.command, run_id=next_run_id)
            go_on(cause)
            return
        self._under_way.append(self._answer_in_steps(found, cause, caller))
        if len(self._under_way) == 1:
            # User code must not run inside a task of this loop.
            self._call_later(0.0, self._go_on)

    def _go_on(self) -> None:
        """For a slice, then others have the loop."""
        end = self._monotonic() + SLICE_SECONDS
        while self._under_way:
            if next(self._under_way[0], _DONE) is _DONE:
                self._under_way.popleft()
            if self._monotonic() > end:
                break
        if self._under_way:
            self._call_later(PAUSE_SECONDS, self._go_on)

    def _answer_in_steps(self, found: FoundRun, cause: Cause, caller: Caller) -> Iterator[None]:
        row = found.row
        effect: AnswerEffect | ResultEffect | UpdateEffect
        try:
            effect = yield from self._effect(found, cause, caller)
        except MemoryError:
            raise
        except Exception as error:
            # Old rows, other code: whatever it is, it answers this one question, and harms nothing else.
            log.exception("other_run_not_answered", run_id=row.run_id, workflow_id=row.workflow_id)
            refusal = "rejected", str(error) or repr(error)
            effect = answers.refused(caller, row.workflow_id, None, refusal)
        self._send(effect, caller, cause)

    def _effect(
        self, found: FoundRun, cause: Cause, caller: Caller
    ) -> Generator[None, None, AnswerEffect | ResultEffect | UpdateEffect]:
        row, instance = found.row, found.instance
        if isinstance(instance, Exception):
            if found.may_be_newer:  # the partition goes to a host that may know more of it
                return answers.refused(caller, row.workflow_id, None, ("moved", str(instance)))
            raise instance
        command, state = cause.command, instance.state
        assert state is not None
        if isinstance(command, AwaitOutcome | Update) and not state.is_closed:
            # The start that takes its place is being committed. Its code would take an update, for nothing.
            text = f"run {row.run_id} is about to end: ask again"
            return answers.refused(caller, row.workflow_id, None, ("moved", text))
        if isinstance(command, AwaitOutcome):
            ended = answers.awaited(command, caller, state)
            assert ended is not None, "a run that has ended leaves nothing open"
            return ended
        why = found.struck.refusal(command, instance) if isinstance(command, Query) else None
        if why is None and isinstance(command, Query) and instance.must_rebuild_for(command):
            rebuilding, mark = instance.rebuild(), replay_mark_of(cause, instance)
            while True:
                with self._marked(instance, mark):
                    is_done = next(rebuilding, _DONE) is _DONE
                if is_done:
                    break
                yield
            why = found.struck.refusal(command, instance)
        if why is not None:
            effect: Effect = answers.refused(caller, row.workflow_id, None, why)
        else:
            with self._marked(instance, mark_of(cause, instance)):
                (activation,) = instance.activate(command, now=state.time, entropy=os.urandom(32), held=True)
            ((_, effect),) = activation.effects
        with self._marked(instance, LETTING_GO):
            instance.live.forget()
        assert isinstance(effect, AnswerEffect)
        return effect

    @contextmanager
    def _marked(self, instance: Instance, mark: str) -> Iterator[None]:
        """Strikes are counted by this mark meanwhile."""
        self._watch.enter(instance.run_id or "", mark, instance.fingerprint)
        try:
            yield
        finally:
            self._watch.leave()

    def _send(self, effect: AnswerEffect | ResultEffect | UpdateEffect, caller: Caller, cause: Cause) -> None:
        kind = f"other run {cause.message_type}"
        message_id = replies.message_id_of(caller, cause.message_id, kind)
        message = replies.sendable(replies.of_effect(effect), caller, message_id)
        self._outbox.send([to_reader(message, caller.reply_to, [cause])])
        cause.done()
