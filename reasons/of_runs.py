"""Reasons that lie with the run itself, or with who is to say something to it."""

from __future__ import annotations

from typing import ClassVar

from dalsegno.policies import WorkflowStatus
from dalsegno.reasons.reason import Reason
from dalsegno.reasons.words import command, counted, due, moment, since


class Ended(Reason, frozen=True, kw_only=True):
    """It moves no more. `since` is when it has ended."""

    kind: ClassVar[str] = "ended"
    status: WorkflowStatus
    because: str = ""
    next_run_id: str | None = None

    @property
    def sentence(self) -> str:
        at = "" if self.since is None else f" {due(self.since, self.asked_at)}"
        why = f": {self.because}" if self.because else ""
        next_run = f" It goes on as run {self.next_run_id}." if self.next_run_id else ""
        return f"It has ended{at}, {self.status.replace('_', ' ')}{why}.{next_run}"

    @property
    def helps(self) -> str | None:
        return command("workflow", "result", self.workflow_id)

    @property
    def topic(self) -> str:
        return str(self.status)


SUSPENSIONS = {
    "bug": "its code raised what it did not mean as a failure",
    "nondeterminism": "its code wants something else than its history shows",
    "unknown_type": "the host does not have its type",
    "struck": "its code did not give control back to the host",
    "corrupt": "its state, or what its inputs refer to, cannot be read",
}
"""By kind of suspension: what has happened."""


class CodeStuck(Reason, frozen=True, kw_only=True):
    """It is suspended, and nobody asked for that. `cause` is one of SUSPENSIONS, or empty if it is not known;
    `because` names the line, where there is one. `retry_at`: when the code is tried again."""

    kind: ClassVar[str] = "suspended"
    is_stuck: ClassVar[bool] = True
    workflow_type: str
    cause: str
    because: str
    retry_at: int | None = None

    @property
    def sentence(self) -> str:
        what = SUSPENSIONS.get(self.cause)
        again = "" if self.retry_at is None else f" It is tried again {due(self.retry_at, self.asked_at)}."
        return (
            f"It is suspended{since(self.since, self.asked_at)}{f', because {what}' if what else ''}: "
            f"{self.because.strip().rstrip('.')}.{again} What is sent to it is recorded."
        )

    @property
    def helps(self) -> str | None:
        """What comes first: hosts that get other code try it again by themselves."""
        match self.cause:
            case "unknown_type":
                return "dalsegno host MODULES"
            case "bug" | "nondeterminism":
                return command("workflow", "testcase", self.workflow_id)
        return command("workflow", "resume", self.workflow_id)

    @property
    def topic(self) -> str:
        return f"{self.cause or 'unreadable'}, type {self.workflow_type}"


class Paused(Reason, frozen=True, kw_only=True):
    """Somebody has suspended it."""

    kind: ClassVar[str] = "paused"
    is_stuck: ClassVar[bool] = True
    because: str = ""

    @property
    def sentence(self) -> str:
        why = f": {self.because}" if self.because else ""
        return f"Somebody has suspended it{since(self.since, self.asked_at)}{why}."

    @property
    def helps(self) -> str | None:
        return command("workflow", "resume", self.workflow_id)


class NotRead(Reason, frozen=True, kw_only=True):
    """Its rows cannot be read by who was asked: they are damaged, or a newer version has written them."""

    kind: ClassVar[str] = "unread"
    because: str
    is_newer: bool = False

    @property
    def sentence(self) -> str:
        return f"It is open, and what is stored of it cannot be read here: {self.because.rstrip('.')}."

    @property
    def helps(self) -> str | None:
        return "dalsegno hosts" if self.is_newer else "dalsegno verify"


class StartDelayed(Reason, frozen=True, kw_only=True):
    """Its code is to begin later: a delay, or the pause before another attempt of the workflow."""

    kind: ClassVar[str] = "start_delayed"
    begins_at: int
    attempt: int = 1

    @property
    def sentence(self) -> str:
        which = f", as attempt {self.attempt}" if self.attempt > 1 else ""
        return f"Its start is delayed: its code begins {due(self.begins_at, self.asked_at)}{which}."


class CodeDue(Reason, frozen=True, kw_only=True):
    """What is recorded is about to be given to its code."""

    kind: ClassVar[str] = "code_due"
    inputs: int

    @property
    def sentence(self) -> str:
        return (
            f"Its host is about to run its code with {counted(self.inputs, 'input')}; the last was recorded"
            f"{since(self.since, self.asked_at)}."
        )


class Overdue(Reason, frozen=True, kw_only=True):
    """What a host was to do of itself, and has not done: since `since`."""

    kind: ClassVar[str] = "overdue"
    is_stuck: ClassVar[bool] = True
    what: str

    @property
    def sentence(self) -> str:
        return (
            f"{self.what} was due{since(self.since, self.asked_at)}, and its host has not seen to it: it is "
            "late, or cannot write, or send."
        )

    @property
    def helps(self) -> str | None:
        return "dalsegno partitions"


class ChildOpen(Reason, frozen=True, kw_only=True):
    """A child workflow has not ended, or not begun."""

    kind: ClassVar[str] = "child"
    child_id: str
    child_type: str
    child_run_id: str | None = None
    others: int = 0

    @property
    def sentence(self) -> str:
        others = f", and {self.others:,} more of its children are open" if self.others else ""
        state = "" if self.child_run_id else ", which has not begun yet"
        return (
            f"It waits for child workflow {self.child_id} ({self.child_type}){state}"
            f"{since(self.since, self.asked_at)}{others}."
        )

    @property
    def helps(self) -> str | None:
        return command("why", self.child_id)

    @property
    def topic(self) -> str:
        return self.child_type


class AnswerAwaited(Reason, frozen=True, kw_only=True):
    """It has asked another workflow for something. `asked`: "signal", "cancel", "terminate", "end", "start"."""

    kind: ClassVar[str] = "other_workflow"
    asked: str
    other_id: str

    @property
    def sentence(self) -> str:
        what = {
            "signal": "its signal to be taken by workflow",
            "cancel": "its cancel request to be taken by workflow",
            "terminate": "the termination of workflow",
            "end": "the end of workflow",
            "start": "the start of workflow",
        }.get(self.asked, f"an answer ({self.asked}) of workflow")
        return f"It waits for {what} {self.other_id}{since(self.since, self.asked_at)}."

    @property
    def helps(self) -> str | None:
        return command("why", self.other_id)

    @property
    def topic(self) -> str:
        return self.asked


class UpdateOpen(Reason, frozen=True, kw_only=True):
    """An update is being handled, or is about to be. `handler`: where it stands, if that is known."""

    kind: ClassVar[str] = "update"
    name: str
    update_id: str
    stage: str
    handler: str = ""

    @property
    def sentence(self) -> str:
        where = f" Its handler stands {self.handler}." if self.handler else ""
        return (
            f"Update {self.name} ({self.update_id}) is {self.stage}{since(self.since, self.asked_at)}.{where}"
        )

    @property
    def topic(self) -> str:
        return self.name


class SignalSetAside(Reason, frozen=True, kw_only=True):
    """A signal has come that does not fit its handler."""

    kind: ClassVar[str] = "signal_set_aside"
    is_stuck: ClassVar[bool] = True
    name: str
    number: int
    because: str
    waits: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        waits = f" It waits for: {'; '.join(self.waits)}." if self.waits else ""
        return (
            f"Signal {self.name!r} lies in quarantine{since(self.since, self.asked_at)}: "
            f"{' '.join(self.because.split()).rstrip('.')}.{waits}"
        )

    @property
    def helps(self) -> str | None:
        return command("workflow", "quarantine", "show", self.workflow_id, str(self.number))

    @property
    def topic(self) -> str:
        return self.name


class SignalUnhandled(Reason, frozen=True, kw_only=True):
    """A signal has come for whose name its code has no handler, so far."""

    kind: ClassVar[str] = "signal_unhandled"
    is_stuck: ClassVar[bool] = True
    names: tuple[str, ...]
    handled: tuple[str, ...] = ()
    waits: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        names = ", ".join(map(repr, self.names))
        handled = f" It handles: {', '.join(self.handled)}." if self.handled else ""
        waits = f" It waits for: {'; '.join(self.waits)}." if self.waits else ""
        return f"It was sent {names}, for which its code has no handler.{handled}{waits}"

    @property
    def helps(self) -> str | None:
        return _to_signal(self.workflow_id, self.handled)

    @property
    def topic(self) -> str:
        return ", ".join(self.names)


class MessageAwaited(Reason, frozen=True, kw_only=True):
    """Nothing is pending by which it would go on of itself: a signal or an update has to come. `waits` is where
    its code stands, where that was asked; `handled` are the signals and updates that it has handlers for.
    `timer_at`: when it stops waiting for that. `times_out_at`: when the time of the run is over."""

    kind: ClassVar[str] = "message"
    workflow_type: str
    waits: tuple[str, ...] = ()
    signals: tuple[str, ...] = ()
    updates: tuple[str, ...] = ()
    timer_at: int | None = None
    times_out_at: int | None = None

    @property
    def sentence(self) -> str:
        waits = f" Its code waits for: {'; '.join(self.waits)}." if self.waits else ""
        timer = "" if self.timer_at is None else f" A timer ends {due(self.timer_at, self.asked_at)}."
        late = "" if self.times_out_at is None else f" Its time is over at {moment(self.times_out_at)}."
        return (
            f"It waits for {self._whom}; nothing was recorded of it{since(self.since, self.asked_at)}."
            f"{waits}{timer}{late}"
        )

    @property
    def _whom(self) -> str:
        signals, updates = (" or ".join(names) for names in (self.signals, self.updates))
        if signals and updates:
            return f"signal {signals}, or update {updates}"
        if signals or updates:
            return f"signal {signals}" if signals else f"update {updates}"
        return "a signal or an update"

    @property
    def helps(self) -> str | None:
        return _to_signal(self.workflow_id, self.signals)

    @property
    def topic(self) -> str:
        return f"type {self.workflow_type}"


class NothingAwaited(Reason, frozen=True, kw_only=True):
    """Nothing is pending, and its code has no handler that would be given a message."""

    kind: ClassVar[str] = "nothing_awaited"
    is_stuck: ClassVar[bool] = True
    workflow_type: str
    waits: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        waits = f" Its code waits for: {'; '.join(self.waits)}." if self.waits else ""
        return (
            "Nothing will wake it: no activity, timer or child is pending, and its code has no handler for a "
            f"signal or an update; nothing was recorded of it{since(self.since, self.asked_at)}.{waits}"
        )

    @property
    def helps(self) -> str | None:
        return command("workflow", "terminate", self.workflow_id)

    @property
    def topic(self) -> str:
        return f"type {self.workflow_type}"


class TimerPending(Reason, frozen=True, kw_only=True):
    """`line` is where its code asked for it, where that is known."""

    kind: ClassVar[str] = "timer"
    workflow_type: str
    number: int | None
    fires_at: int
    line: str = ""
    others: int = 0

    @property
    def sentence(self) -> str:
        line = f" ({self.line})" if self.line else ""
        others = f" {self.others:,} more are pending." if self.others else ""
        which = "a timer" if self.number is None else f"timer {self.number}"
        return f"It waits for {which}{line}, due {due(self.fires_at, self.asked_at)}.{others}"

    @property
    def topic(self) -> str:
        return f"type {self.workflow_type}"


class Unexplained(Reason, frozen=True, kw_only=True):
    """There is none of all those: a defect of ours."""

    kind: ClassVar[str] = "unexplained"
    is_stuck: ClassVar[bool] = True
    waits: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        waits = f" It waits for: {'; '.join(self.waits)}." if self.waits else ""
        return f"Nothing that is known of it says why it does not move: this should be reported.{waits}"

    @property
    def helps(self) -> str | None:
        return command("workflow", "describe", self.workflow_id, "--json")


def _to_signal(workflow_id: str, names: tuple[str, ...]) -> str:
    return command("workflow", "signal", workflow_id, names[0] if names else "NAME")
