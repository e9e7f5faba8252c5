"""A run's history as lines for people: what, how it went, and details.

    14:03:07.123  charge #1         scheduled   "card-7" 4711
    14:03:07.761  charge #1         completed   "payment-1"

Activities are told apart by their IDs, which `describe` and logs show, too. Events that only concern the engine
(callers, parked effects) are left out; `--json` has them all.
"""

from __future__ import annotations

import sys
import textwrap
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from dalsegno.broker.protocol.messages import HistoryEntry
from dalsegno.cli.output import as_json, plain, utc
from dalsegno.priority import level_in, named

COLOURS = {
    "completed": "green",
    "failed": "red",
    "retrying": "yellow",
    "undoing": "yellow",
    "suspended": "yellow",
    "canceled": "magenta",
    "terminated": "red",
    "timed_out": "red",
    "goes on": "green",
    "unreadable": "red",
}
REASONED = frozenset({"failed", "retrying", "suspended", "cancel", "unreadable"})
"""Whose detail is a reason."""
SUBJECT_WIDTH = 16
VERB_WIDTH = 10
DETAIL_COLUMN = len("00:00:00.000") + SUBJECT_WIDTH + VERB_WIDTH + 6
DETAIL_CHARACTERS_MAX = 300
"""Of arguments and results. Reasons, and what the run came to, are shown in full."""
ARGUMENTS_CHARACTERS_MAX = 60
"""Of an activity, which may have many neighbours of its kind: longer ones are left out."""
DETAIL_COLUMNS_MIN = 30
"""On a narrower terminal details have lines of their own."""
NARROW_INDENT = 4


@dataclass(frozen=True, slots=True)
class Line:
    time: int
    """Microseconds since 1970."""
    subject: str
    verb: str
    detail: str = ""
    in_full: bool = False
    """The detail is not cut: it is a reason, or what the run came to."""


class Narrator:
    """Remembers what numbers and IDs mean: activities are named where they are scheduled, updates where they
    came.

    Code that is suspended is tried again and again: as long as the reason is the same, that is one line, which
    comes when something else does, or with `rest`.
    """

    def __init__(self) -> None:
        self._activities: dict[int, str] = {}
        self._updates: dict[str, str] = {}
        self._compensations: dict[int, str] = {}
        self._deadlines: dict[int, str] = {}
        self._others: dict[int, str] = {}
        """Other workflows, by what they were asked under."""
        self._workflow = "workflow"
        self._suspended: str | None = None
        """The reason that was told, while code is suspended."""
        self._tries = 0
        self._tried_at = 0

    def tell(self, entry: HistoryEntry) -> Iterator[Line]:
        events = entry.events
        if self._is_tried_in_vain(events):
            self._tries += 1
            self._tried_at = entry.time
            events = tuple(event for event in events if event.get("type") not in ("Resumed", "Suspended"))
        if events:
            yield from self.rest()
        for event in events:
            self._note(event)
            if left_out := event.get("left_out"):
                yield Line(entry.time, self._workflow, "left out", f"{event.get('type')}: {left_out}")
            for subject, verb, detail in self._told(event, entry.time):
                in_full = event.get("type") == "RunClosed" or verb in REASONED
                yield Line(entry.time, subject, verb, detail, in_full)

    def rest(self) -> Iterator[Line]:
        """What is still to be told at the end, or before something else."""
        tries, self._tries = self._tries, 0
        if tries:
            times = "once" if tries == 1 else f"{tries} times"
            yield Line(
                self._tried_at, self._workflow, "suspended", f"tried again {times}, the reason is the same"
            )

    def _is_tried_in_vain(self, events: tuple[dict[str, Any], ...]) -> bool:
        types = [event.get("type") for event in events]
        again = types[:1] == ["Resumed"] and types[-1:] == ["Suspended"] and "Ran" not in types
        return again and events[-1].get("reason") == self._suspended

    def _note(self, event: dict[str, Any]) -> None:
        match event.get("type"):
            case "Suspended":
                self._suspended = str(event.get("reason", ""))
            case "Resumed" | "Ran":
                self._suspended = None

    def _told(self, event: dict[str, Any], now: int) -> Iterator[tuple[str, str, str]]:
        activity = self._activities.get(event.get("number", 0), f"activity #{event.get('number')}")
        match event.get("type"):
            case "RunStarted":
                self._workflow = event.get("info", {}).get("workflow_type", self._workflow)
                before = event.get("info", {}).get("continued_run_id")
                shown = " ".join(map(as_json, event.get("args", ())))
                yield self._workflow, "started", f"{shown} (goes on from run {before})" if before else shown
            case "DelayOver":
                yield self._workflow, "begins", ""
            case "Ran":
                yield from self._wanted(event.get("wants", ()), now)
            case "ActivityCompleted" | "LocalActivityCompleted":
                result = event.get("result")
                yield activity, "completed", "" if result is None else as_json(result)
            case "ActivityFailed" | "LocalActivityFailed":
                yield activity, "failed", _reason(event.get("failure"))
            case "AttemptsExhausted":
                yield activity, "incident", f"{_reason(event.get('failure'))} (a person is waited for)"
            case "AttemptsRenewed":
                yield activity, "retrying", "asked for by a person"
            case "AttemptBegun":
                yield activity, "running", f"on {event.get('worker')}"
            case "RetryPlanned" | "LocalRetryPlanned":
                again = f"(again at {clock(event.get('retry_at', 0), now)})"
                yield activity, "retrying", f"{_reason(event.get('failure'))} {again}"
            case "LocalActivityBegun":
                yield activity, "running", "on the host, again"
            case "TimerElapsed":
                yield f"timer {event.get('number')}", "elapsed", ""
            case "DeadlineAtRisk":
                yield self._deadline(event.get("number", 0)), "at risk", ""
            case "DeadlineOverdue":
                yield self._deadline(event.get("number", 0)), "overdue", ""
            case "SignalReceived" | "FirstSignalReceived":
                yield str(event.get("name")), "signal", " ".join(map(as_json, event.get("args", ())))
            case "SignalStruck":
                yield str(event.get("name")), "quarantine", str(event.get("reason", ""))
            case "QuarantineSettled":
                yield f"quarantined signal {event.get('number')}", str(event.get("action")), ""
            case "ChildBegun":
                yield self._other(event), "running", f"run {event.get('run_id')}"
            case "ChildRefused":
                yield self._other(event), "refused", str(event.get("reason", ""))
            case "ChildClosed" | "ExternalEnded":
                failure, result = event.get("failure"), event.get("result")
                shown = _reason(failure) if failure is not None else "" if result is None else as_json(result)
                yield self._other(event), str(event.get("status")), shown
            case "ExternalAnswered":
                refusal = event.get("refusal") or ()
                yield self._other(event), "refused" if refusal else "answered", " ".join(refusal[1:])
            case "UpdateAdmitted":
                name = self._updates[str(event.get("update_id"))] = str(event.get("name"))
                yield name, "update", " ".join(map(as_json, event.get("args", ())))
            case "CancelReceived":
                yield self._workflow, "cancel", f"requested {event.get('reason', '')}"
            case "Suspended":
                yield self._workflow, "suspended", str(event.get("reason", ""))
            case "Unreadable" if event.get("newer"):
                yield self._workflow, "newer", "not read"
            case "Unreadable":
                yield self._workflow, "unreadable", str(event.get("reason", ""))
            case "Resumed":
                yield self._workflow, "resumed", ""
            case "RunClosed":
                failure, result = event.get("failure"), event.get("result")
                shown = _reason(failure) if failure is not None else "" if result is None else as_json(result)
                status, goes_on = str(event.get("status")), event.get("next_run_id")
                if status == "continued_as_new":
                    status, shown = "goes on", f"as run {goes_on}"
                elif goes_on:
                    shown = f"{shown} (again as run {goes_on})"
                yield self._workflow, status, shown

    def _wanted(self, wants: Any, now: int) -> Iterator[tuple[str, str, str]]:
        for want in wants:
            number = want.get("number", 0)
            if want.get("type") == "ChildWanted":
                spec = want.get("spec", {})
                self._others[want.get("number", 0)] = f"{spec.get('workflow_type')} {spec.get('workflow_id')}"
                yield self._other(want), "child", " ".join(map(as_json, spec.get("args", ())))
            elif want.get("type") == "ExternalWanted":
                spec = want.get("spec", {})
                self._others[spec.get("number", 0)] = str(spec.get("workflow_id"))
                yield (
                    str(spec.get("workflow_id")),
                    "asked",
                    f"{spec.get('asked')} {spec.get('name', '')}".rstrip(),
                )
            elif want.get("type") == "ChildUnwanted":
                yield self._other(want), "cancel", "asked for by the workflow"
            elif "spec" in want:
                is_local = want.get("type") == "LocalActivityWanted"
                yield self._named(want["spec"]), "scheduled", _errand(want["spec"], is_local=is_local)
            elif "fire_at" in want:
                yield f"timer {number}", "set", f"to {clock(want['fire_at'], now)}"
            elif "signed" in want:
                yield self._workflow, "sign", "goes on from here"
            elif want.get("type") == "DeadlineSet":
                self._deadlines[number] = f"deadline {want.get('name')}"
                yield self._deadlines[number], "set", f"to {clock(want.get('due_at', 0), now)}"
            elif want.get("type") == "DeadlineMet":
                yield self._deadline(number), "met", "late" if want.get("late") else ""
            elif want.get("type") == "PatchTaken":
                yield f"patch {want.get('patch_id')}", "taken", ""
            elif want.get("type") == "SignalQuarantined":
                yield str(want.get("name")), "quarantine", str(want.get("reason", ""))
            elif want.get("type") == "UpdateCompleted":
                yield self._come_out(want)
            elif want.get("type") == "CompensationPushed":
                self._compensations[number] = f"{want.get('name')} of {want.get('step')}"
            elif want.get("type") == "CompensationBegun":
                names = (self._compensation(number) for number in want.get("numbers", ()))
                yield self._workflow, "undoing", ", ".join(names)
            elif want.get("type") == "CompensationSettled":
                failure = want.get("failure")
                yield self._compensation(number), "undone" if failure is None else "failed", _reason(failure)
            elif want.get("type") in ("ActivityUnwanted", "LocalActivityUnwanted"):
                yield self._activities.get(number, f"activity #{number}"), "cancel", "asked for by the workflow"
            elif want.get("type") == "TimerUnwanted":
                yield f"timer {number}", "canceled", ""

    def _come_out(self, want: dict[str, Any]) -> tuple[str, str, str]:
        """Of an update."""
        update_id = str(want.get("update_id"))
        name = self._updates.pop(update_id, f"update {update_id}")
        if want.get("failure") is not None:
            return name, "failed", _reason(want["failure"])
        result = want.get("result")
        return name, "completed", "" if result is None else as_json(result)

    def _other(self, told: dict[str, Any]) -> str:
        number = told.get("number", 0)
        return self._others.get(number, f"workflow #{number}")

    def _deadline(self, number: int) -> str:
        return self._deadlines.get(number, f"deadline #{number}")

    def _compensation(self, number: int) -> str:
        return self._compensations.get(number, f"compensation {number}")

    def _named(self, spec: dict[str, Any]) -> str:
        """An activity's type with its ID, by which it is known from now on."""
        number = spec.get("number", 0)
        name = f"{spec.get('activity_type', 'activity')} #{spec.get('activity_id') or number}"
        self._activities[number] = name
        return name


def _errand(spec: dict[str, Any], *, is_local: bool) -> str:
    """What is special about an activity: that it is local, or its task queue; its summary, and its arguments if
    they are short."""
    queue, level = named(spec.get("task_queue", "default")), level_in(spec.get("task_queue", ""))
    where = "" if queue == "default" else f"on {queue}"
    urgency = "" if level is None else f"priority {level}"
    arguments = " ".join(map(as_json, spec.get("args", ())))
    told = ["local" if is_local else ", ".join(filter(None, (where, urgency))), spec.get("summary", "")]
    told.append(arguments if len(arguments) <= ARGUMENTS_CHARACTERS_MAX else "")
    return ": ".join(filter(None, told))


def _reason(failure: Any) -> str:
    """The innermost cause says most: what it wraps only repeats it."""
    while isinstance(failure, dict) and isinstance(failure.get("cause"), dict):
        failure = failure["cause"]
    return str(failure.get("message", "")) if isinstance(failure, dict) else ""


def clock(microseconds: int, now: int | None = None) -> str:
    """A time of day, UTC, to the millisecond; with its date where that is not the one of `now`."""
    time_of_day = utc(microseconds).strftime("%H:%M:%S.%f")[:-3]
    if now is None or _day(now) == _day(microseconds):
        return time_of_day
    return f"{_day(microseconds)} {time_of_day}"


def _day(microseconds: int) -> str:
    return utc(microseconds).strftime("%Y-%m-%d")


class Printer:
    """Prints lines as they come; a date where it is not today's, colours where the terminal can. On a terminal
    details are wrapped; in a file a line is a line."""

    def __init__(self) -> None:
        self._day = _day(time.time_ns() // 1000)

    def print(self, line: Line) -> None:
        from rich.console import Console
        from rich.text import Text

        console = Console(highlight=False, soft_wrap=True)
        if (day := _day(line.time)) != self._day:
            console.print(f"{day} (UTC)", style="bold")
            self._day = day
        detail = plain(line.detail)
        if len(detail) > DETAIL_CHARACTERS_MAX and not line.in_full:
            detail = f"{detail[: DETAIL_CHARACTERS_MAX - 3]}..."
        head = Text.assemble(
            (f"{clock(line.time)}  ", "dim"),
            f"{plain(line.subject):<{SUBJECT_WIDTH}}  ",
            (f"{plain(line.verb):<{VERB_WIDTH}}  ", COLOURS.get(line.verb, "dim")),
        )
        if sys.stdout.isatty():
            detail = wrapped(detail, len(head), console.width)
        if detail.startswith("\n"):
            head.rstrip()  # or a narrow terminal would fold the blanks
        head.append(detail)
        head.rstrip()
        console.print(head)
        sys.stdout.flush()


def wrapped(detail: str, column: int, columns: int) -> str:
    """A detail that begins in `column`, folded between its words, with its further lines below the column of
    details; on a terminal too narrow for that, on lines of its own."""
    if column + len(detail) <= columns:
        return detail
    indent = DETAIL_COLUMN
    if columns - max(column, DETAIL_COLUMN) < DETAIL_COLUMNS_MIN:
        indent = column = NARROW_INDENT
    lines = textwrap.wrap(
        detail,
        max(columns, indent + 1),
        initial_indent=" " * column,
        subsequent_indent=" " * indent,
        break_on_hyphens=False,
    )
    folded = "\n".join(lines)
    return f"\n{folded}" if indent == NARROW_INDENT else folded[column:]
