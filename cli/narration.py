"""A run's history as lines for people: what, how it went, and details.

    14:03:07.123  charge    scheduled
    14:03:07.761  charge    completed  "payment-1"

Events that only concern the engine (callers, parked effects) are left out; `--json` has them all.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from dalsegno.broker.protocol.messages import HistoryEntry
from dalsegno.cli.output import as_json, plain

COLOURS = {
    "completed": "green",
    "failed": "red",
    "retrying": "yellow",
    "suspended": "yellow",
    "cancelled": "magenta",
    "canceled": "magenta",
    "terminated": "red",
    "timed_out": "red",
}
SUBJECT_WIDTH = 12
VERB_WIDTH = 10
DETAIL_COLUMN = len("00:00:00.000") + SUBJECT_WIDTH + VERB_WIDTH + 6
DETAIL_CHARACTERS_MAX = 300
"""In a file; on a terminal a line is a line."""


@dataclass(frozen=True, slots=True)
class Line:
    time: int
    """Microseconds since 1970."""
    subject: str
    verb: str
    detail: str = ""
    is_end: bool = False
    """The run is closed; what it came to is shown in full."""


class Narrator:
    """Remembers what numbers mean: activities are named where they are scheduled."""

    def __init__(self) -> None:
        self._activities: dict[int, str] = {}
        self._workflow = "workflow"

    def tell(self, entry: HistoryEntry) -> Iterator[Line]:
        for event in entry.events:
            for subject, verb, detail in self._told(event):
                yield Line(entry.time, subject, verb, detail, is_end=event.get("type") == "RunClosed")

    def _told(self, event: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
        activity = self._activities.get(event.get("number", 0), f"activity {event.get('number')}")
        match event.get("type"):
            case "RunStarted":
                self._workflow = event.get("info", {}).get("workflow_type", self._workflow)
                yield self._workflow, "started", " ".join(map(as_json, event.get("args", ())))
            case "Ran":
                yield from self._wanted(event.get("wants", ()))
            case "ActivityCompleted":
                result = event.get("result")
                yield activity, "completed", "" if result is None else as_json(result)
            case "ActivityFailed":
                yield activity, "failed", _reason(event.get("failure"))
            case "AttemptBegun":
                yield activity, "running", f"on {event.get('worker')}"
            case "RetryPlanned":
                again = f"(again at {clock(event.get('retry_at', 0))})"
                yield activity, "retrying", f"{_reason(event.get('failure'))} {again}"
            case "TimerElapsed":
                yield f"timer {event.get('number')}", "elapsed", ""
            case "SignalReceived":
                yield str(event.get("name")), "signal", " ".join(map(as_json, event.get("args", ())))
            case "CancelReceived":
                yield self._workflow, "cancel", f"requested {event.get('reason', '')}"
            case "Suspended":
                yield self._workflow, "suspended", str(event.get("reason", ""))
            case "Resumed":
                yield self._workflow, "resumed", ""
            case "RunClosed":
                failure, result = event.get("failure"), event.get("result")
                shown = _reason(failure) if failure is not None else "" if result is None else as_json(result)
                yield self._workflow, str(event.get("status")), shown

    def _wanted(self, wants: Any) -> Iterator[tuple[str, str, str]]:
        for want in wants:
            if "spec" in want:
                name = want["spec"].get("activity_type", "activity")
                self._activities[want["spec"].get("number", 0)] = name
                queue = want["spec"].get("task_queue", "default")
                yield name, "scheduled", "" if queue == "default" else f"on {queue}"
            elif "fire_at" in want:
                yield f"timer {want.get('number')}", "set", f"to {clock(want['fire_at'])}"
            elif "signed" in want:
                yield self._workflow, "sign", "goes on from here"


def _reason(failure: Any) -> str:
    """The innermost cause says most: what it wraps only repeats it."""
    while isinstance(failure, dict) and isinstance(failure.get("cause"), dict):
        failure = failure["cause"]
    return str(failure.get("message", "")) if isinstance(failure, dict) else ""


def clock(microseconds: int) -> str:
    """A time of day, UTC, to the millisecond."""
    return datetime.fromtimestamp(microseconds / 1e6, UTC).strftime("%H:%M:%S.%f")[:-3]


def _day(microseconds: int) -> str:
    return datetime.fromtimestamp(microseconds / 1e6, UTC).strftime("%Y-%m-%d")


class Printer:
    """Prints lines as they come; a date where it is not today's, colours where the terminal can."""

    def __init__(self) -> None:
        self._day = _day(time.time_ns() // 1000)

    def _room(self, columns: int) -> int:
        return max(20, columns - DETAIL_COLUMN) if sys.stdout.isatty() else DETAIL_CHARACTERS_MAX

    def print(self, line: Line) -> None:
        from rich.console import Console
        from rich.text import Text

        console = Console(highlight=False, soft_wrap=True)
        if (day := _day(line.time)) != self._day:
            console.print(f"{day} (UTC)", style="bold")
            self._day = day
        detail = plain(line.detail)
        room = self._room(console.width)
        if len(detail) > room and not line.is_end:
            detail = f"{detail[: room - 3]}..."
        shown = Text.assemble(
            (f"{clock(line.time)}  ", "dim"),
            f"{plain(line.subject):<{SUBJECT_WIDTH}}  ",
            (f"{plain(line.verb):<{VERB_WIDTH}}  ", COLOURS.get(line.verb, "dim")),
            detail,
        )
        shown.rstrip()
        console.print(shown)
        sys.stdout.flush()
