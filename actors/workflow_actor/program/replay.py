"""The live program, and how it comes back: user code is run again with the inputs of the log, and must want
what it wanted then. What it wants is compared by digests and done no second time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from dalsegno.actors.workflow_actor.activities.events import ActivityResolved
from dalsegno.actors.workflow_actor.interface.intent import Intent
from dalsegno.actors.workflow_actor.program.port import NO_HEADERS, Code, Program, WorkflowCodeError
from dalsegno.actors.workflow_actor.run.inputs import Input
from dalsegno.actors.workflow_actor.run.primitives import UNSAID
from dalsegno.actors.workflow_actor.run.state import SuspensionKind, WorkflowState
from dalsegno.actors.workflow_actor.signals.decisions import not_set_aside
from dalsegno.actors.workflow_actor.updates.events import Updated
from dalsegno.failure import Failure
from dalsegno.payload import Payload
from dalsegno.stored_payloads import Pieces


class CodeStuckError(Exception):
    """User code cannot go on; `reason` is for people."""

    def __init__(self, kind: SuspensionKind, reason: str) -> None:
        super().__init__(reason)
        self.kind: SuspensionKind = kind
        self.reason = reason


class LiveProgram:
    """The program of one run, if it is in memory. `python` is the minor version that runs it."""

    __slots__ = ("_code", "_failure", "_position", "_python", "program")

    def __init__(self, code: Code, *, python: str) -> None:
        self._code = code
        self._python = python
        self.program: Program | None = None
        self._position = 0
        self._failure: CodeStuckError | None = None

    @property
    def is_settled(self) -> bool:
        """The program is there, or the last attempt to rebuild it failed and nobody was told yet."""
        return self.program is not None or self._failure is not None

    def step(self, state: WorkflowState) -> list[Intent]:
        """Run the first input that has not been run. Raises CodeStuckError."""
        program = self.program
        if program is None or self._failure is not None or self._position != state.processed:
            program = self.at(state)
        entry = state.log[state.processed]
        try:
            intents = program.step(entry.input, now=entry.time, replaying=False)
        except BaseException as error:
            self.drop()
            if isinstance(error, WorkflowCodeError):
                raise CodeStuckError("bug", error.reason) from error
            raise
        self._position += 1
        return intents

    def take_pieces(self) -> Pieces:
        """What the last step has made for the payload store. (It may have let go of its program since.)"""
        return {} if self.program is None else self.program.take_pieces()

    def run_ahead(self, state: WorkflowState) -> None:
        """Run all that waits, to see whether the code can: what it wants is nobody's, and the program is let go
        of. Raises CodeStuckError."""
        program = self.at(state)
        try:
            for index in range(state.processed, len(state.log)):
                entry = state.log[index]
                program.step(entry.input, now=entry.time, replaying=False)
        except WorkflowCodeError as error:
            raise CodeStuckError("bug", error.reason) from error
        finally:
            self.drop()

    def query(
        self,
        state: WorkflowState,
        name: str,
        args: Sequence[Payload],
        headers: Mapping[str, Payload] = NO_HEADERS,
    ) -> Payload:
        """Ask its code. A program that the handler has changed is let go of, and built anew when it is needed.
        Raises CodeStuckError, QueryFailedError."""
        program = self.at(state)
        try:
            return program.query(name, args, headers)
        finally:
            if program.is_spoiled:
                self.drop()

    def rejection(self, state: WorkflowState, asked: Updated | ActivityResolved) -> Failure | None:
        """Why it is refused; None if the code may have it. As `query`."""
        program = self.at(state)
        try:
            return program.rejection(asked)
        finally:
            if program.is_spoiled:
                self.drop()

    def require_room_aside(
        self, state: WorkflowState, intents: Sequence[Intent], *, may_be_stored: bool
    ) -> None:
        """Signals are to be set aside with the step. Raises CodeStuckError, and forgets the program, where that
        cannot be."""
        reason = not_set_aside(state, intents, may_be_stored=may_be_stored)
        if reason is not None:
            self.forget()
            raise CodeStuckError("bug", reason)

    def signed(self) -> None:
        """The step has set a sign: its log begins anew, with one entry that has been run."""
        self._position = 1

    def at(self, state: WorkflowState) -> Program:
        """The program as it was after the last input that it has run. Raises CodeStuckError."""
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure
        if self.program is None or self._position != state.processed:
            for _ in self.rebuild(state):
                continue
        assert self.program is not None
        return self.program

    def rebuild(self, state: WorkflowState) -> Iterator[None]:
        """Bring it back, one input between two yields. Raises CodeStuckError."""
        self.forget()
        program = self._build(state)
        try:
            for index in range(state.processed):
                self._replay(program, state, index)
                yield
        except BaseException:
            program.drop()
            raise
        self.program = program
        self._position = state.processed

    def rebuild_ahead(self, state: WorkflowState) -> Iterator[None]:
        """As `rebuild`, but a failure is kept for whoever needs the program first."""
        try:
            yield from self.rebuild(state)
        except CodeStuckError as stuck:
            self._failure = stuck

    def _build(self, state: WorkflowState) -> Program:
        info = state.info
        try:
            program = self._code.build(info, state.signed, state.patches)
        except WorkflowCodeError as error:
            raise CodeStuckError("corrupt", error.reason) from error
        if program is None:
            text = f"this host has no workflow {info.workflow_type!r} for the task queue {info.task_queue!r}"
            raise CodeStuckError("unknown_type", text)
        return program

    def _replay(self, program: Program, state: WorkflowState, index: int) -> None:
        entry = state.log[index]
        try:
            intents = program.step(entry.input, now=entry.time, replaying=True)
        except WorkflowCodeError as error:
            raise CodeStuckError("bug", error.reason) from error
        wanted = entry.wanted or ()
        intents = [intent for intent in intents if type(intent) not in UNSAID]
        if tuple(intent.digest for intent in intents) != wanted:
            reason = _mismatch(entry.input, wanted, intents, then=state.python, now=self._python)
            raise CodeStuckError("nondeterminism", reason)

    def drop(self) -> None:
        program, self.program = self.program, None
        if program is not None:
            program.drop()

    def forget(self) -> None:
        """Drop it, and what is known of its failure."""
        self.drop()
        self._failure = None


def _mismatch(input_: Input, wanted: tuple[str, ...], intents: list[Intent], *, then: str, now: str) -> str:
    place = 0
    while place < min(len(wanted), len(intents)) and wanted[place] == intents[place].digest:
        place += 1
    shown = f"its history shows {wanted[place]!r}" if place < len(wanted) else "its history shows nothing more"
    if place < len(intents):
        intent = intents[place]
        line = f" at {intent.line}" if intent.line else ""
        wants = f"the workflow's code wants {intent.digest!r}{line}"
    else:
        wants = "the workflow's code wants nothing more"
    text = f"after {input_.words} {wants}, but {shown}: code and history disagree"
    if then != now:
        text += f". The history was made under Python {then}, this is Python {now}: that may be why"
    return text
