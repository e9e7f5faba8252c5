"""The life of a program: what it does now, and how that ends, by an intent that closes its run or by a bug."""

from __future__ import annotations

import asyncio
from typing import Any

from msgspec.structs import replace

from dalsegno.actors.workflow_actor.interface.intent import Intent
from dalsegno.actors.workflow_actor.loop.event_loop import DeterministicLoop
from dalsegno.actors.workflow_actor.loop.intent_ledger import IntentLedger
from dalsegno.actors.workflow_actor.program.code_error import code_error, is_failure
from dalsegno.actors.workflow_actor.program.phase import ProgramPhase
from dalsegno.actors.workflow_actor.program.port import WorkflowCodeError
from dalsegno.actors.workflow_actor.program.verdict import continued_by, verdict
from dalsegno.actors.workflow_actor.run.inputs import Carried
from dalsegno.actors.workflow_actor.run.intents import CompleteRun, ContinueAsNew, FailRun
from dalsegno.data_converter import DataConverter
from dalsegno.definition import WorkflowDefinition
from dalsegno.error_text import is_a
from dalsegno.errors import CanceledError, PayloadError
from dalsegno.failure import Failure
from dalsegno.payload_codec import CodedPayloads
from dalsegno.stored_payloads import Pieces
from dalsegno.workflow_logger import logger

NEVER_RETRIEVED = (
    "An exception was never retrieved, and fails nothing. A task, or asyncio.gather, that nobody awaited has "
    "ended with"
)


class ProgramLife:
    """`phase` is what it does now, `bug` one that nobody was told yet. What ends it interrupts its loop: no
    more of its code runs."""

    def __init__(
        self,
        definition: WorkflowDefinition,
        ledger: IntentLedger,
        loop: DeterministicLoop,
        converter: DataConverter,
    ) -> None:
        self.phase = ProgramPhase.NEW
        self.replaying = False
        self._definition = definition
        self._ledger = ledger
        self._loop = loop
        self._converter = converter
        self.coded = converter._coded
        """If payloads have a codec, or a store."""
        if self.coded is not None:
            self.coded.pieces = {}
        self.bug: WorkflowCodeError | None = None
        self.goes_on: ContinueAsNew | None = None
        """It has ended its run by asking for another."""

    def taken_bug(self) -> WorkflowCodeError:
        """The bug, which is kept no longer: an error that is raised knows the frames it passed."""
        bug, self.bug = self.bug, None
        self.phase = ProgramPhase.BROKEN
        assert bug is not None
        return bug.shown(hides_messages=self._converter.hides_messages)

    def close(self, intent: Intent) -> None:
        """With it the run ends, unless its code is broken already, or it has ended: what code that goes on
        for the sake of open updates says then changes nothing."""
        if self.phase in (ProgramPhase.BROKEN, ProgramPhase.CLOSED):
            return
        self._ledger.close_with(intent)
        if isinstance(intent, ContinueAsNew):
            self.goes_on = intent
        self.phase = ProgramPhase.CLOSED
        self._loop.interrupted = True

    def require_no_trouble(self, coded: CodedPayloads) -> None:
        """Raises WorkflowCodeError where a payload could not be had in this step, or not be made, for want of a
        key or for what is in the store: user code, which may have caught that, must not decide anything by it.
        What code makes for the store when it runs again is nobody's."""
        if coded.trouble is not None:
            raise WorkflowCodeError(str(coded.trouble))
        if self.replaying:
            coded.pieces = {}

    def take_pieces(self) -> Pieces:
        """What was made for the payload store since."""
        if self.coded is None or not self.coded.pieces:
            return {}
        pieces, self.coded.pieces = self.coded.pieces, {}
        return pieces

    def goes_along(self, carried: tuple[Carried, ...]) -> None:
        """To the run that was asked for: what nothing has begun with."""
        assert self.goes_on is not None
        self._ledger.replace_end(replace(self.goes_on, carried=carried))

    def break_off(self, bug: WorkflowCodeError) -> None:
        """Nothing runs any more. The first bug is the one that is told."""
        if self.bug is None:
            self.bug = bug
        self.phase = ProgramPhase.BROKEN
        self._loop.interrupted = True

    def complete(self, result: Any) -> None:
        """The run method has returned that. Raises what the class of a value does when it is encoded."""
        try:
            returns = self._definition.run_signature.returns
            self.close(CompleteRun(result=self._converter.to_payload(result, returns)))
        except PayloadError as error:
            what = f"The result of {self._definition.name} cannot be stored."
            self.not_fitting(PayloadError(f"{what} {error}"))

    @property
    def sets_unfit_aside(self) -> bool:
        """A signal that does not fit goes into the quarantine. Not so where the workflow says otherwise, or
        that it fails for such; nor when code runs again, which has had all such signals taken from it."""
        definition = self._definition
        is_strict = definition.unfit_signals == "suspend"
        fails = is_failure(PayloadError(""), definition.failure_exception_types)
        return not self.replaying and not is_strict and not fails

    def not_fitting(self, error: PayloadError) -> None:
        """What came, or is to leave, does not fit: a bug, unless the workflow says that it fails for such."""
        if is_failure(error, self._definition.failure_exception_types):
            self.close(FailRun(failure=self._converter.to_failure(error)))
        else:
            self.break_off(WorkflowCodeError(str(error)))

    def is_failure(self, error: BaseException) -> bool:
        """Whether the run fails by it."""
        return is_failure(error, self._definition.failure_exception_types)

    def judge(self, error: BaseException, *, cancel_delivered: bool) -> None:
        """It ended the run method, or a handler. Raises what its class does when it is looked at."""
        types = self._definition.failure_exception_types
        intent = verdict(error, types, self._converter, cancel_delivered=cancel_delivered)
        if intent is None:
            self.break_off(code_error(error))
        else:
            self.close(intent)

    def ends_run(self, error: BaseException) -> bool:
        """Whether it fails or cancels the run, if nothing catches it. With a bug all ends. A run that goes on
        as another has not failed."""
        if self.asks_for_another_run(error):
            return False
        if verdict(error, self._definition.failure_exception_types, self._converter, cancel_delivered=True):
            return True
        self.break_off(
            code_error(error, "A saga was left by an error that fails no workflow; nothing was undone.")
        )
        return False

    def asks_for_another_run(self, error: BaseException) -> bool:
        """Alone, or in a group."""
        return continued_by(error) is not None

    def spoiled(self, who: str) -> None:
        """Who may only read has woken a task, which will never know. Between two
        steps it is as good as dropped."""
        if self._loop.is_running():
            self.break_off(WorkflowCodeError(f"{who} has done more than read: it has woken a task."))
        self.phase = ProgramPhase.BROKEN

    def failure_of(self, error: BaseException) -> Failure | None:
        """What ended the handler of an update, as that one's failure; None for a bug, with which all ends, if
        the run has not ended before."""
        own: tuple[type[BaseException], ...] = (asyncio.CancelledError, CanceledError)
        types = (*own, *self._definition.failure_exception_types)
        if self.phase is not ProgramPhase.CLOSED and (asked := continued_by(error)) is not None:
            self.close(asked)  # with which what the handler had not done ends
            return None
        if self.phase is ProgramPhase.CLOSED or is_failure(error, types):
            return self._converter.to_failure(error)
        self.break_off(code_error(error))
        return None

    def unseen(self, error: BaseException) -> None:
        """A task ended with it, and nobody looked: one that fails runs may be meant, and is only told of, as
        asyncio does."""
        if (asked := continued_by(error)) is not None:
            if self.phase is not ProgramPhase.CLOSED:
                self.close(asked)
            return
        # asyncio.gather that was cancelled, and is not awaited, is such a one: somebody has wanted it so.
        types: tuple[type[BaseException], ...] = (
            asyncio.CancelledError,
            *self._definition.failure_exception_types,
        )
        if not is_failure(error, types):
            self.break_off(code_error(error, "A task ended with an error that nobody looked at."))
        else:
            self.never_retrieved(error)

    def tell_of_gatherings(self) -> None:
        for error in self._loop.errors_of_gatherings():
            self.never_retrieved(error)

    def never_retrieved(self, error: BaseException) -> None:
        """It harms nothing, and is told of."""
        if not is_a(error, asyncio.CancelledError):
            told = code_error(error).shown(hides_messages=self._converter.hides_messages)
            logger.error("%s %s", NEVER_RETRIEVED, told)
