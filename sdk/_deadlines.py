"""Deadlines, as workflow code has them: by when something is to be reached, and what is done before, at and
after that time."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Literal, Protocol, cast

from msgspec import Struct

from dalsegno import given
from dalsegno._call_site import call_site
from dalsegno._runtime import current_runtime
from dalsegno.given import Duration

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class DeadlineStatus(StrEnum):
    """How a deadline stands."""

    ON_TIME = "on_time"
    AT_RISK = "at_risk"
    """Its warning time has come."""
    OVERDUE = "overdue"
    MET = "met"
    MET_LATE = "met_late"
    """When its time was over."""

    @property
    def settled(self) -> bool:
        return self in (DeadlineStatus.MET, DeadlineStatus.MET_LATE)


class WorkingTime(Protocol):
    """What counts working time. (`dalsegno.WorkingHours` does.) It has to say the same whenever it is asked."""

    def after(self, moment: datetime, span: timedelta, /) -> datetime:
        """When so much working time has passed since `moment`."""


class DeadlineCall(Struct, frozen=True, kw_only=True):
    """A deadline as user code asks for it. Times are whole microseconds since 1970."""

    name: str
    due_at: int
    risk_at: int | None
    on_risk: Callable[[], Any] | None
    on_overdue: Callable[[], Any] | None
    fails: bool
    line: str


class Deadline:
    """One that was set: see `workflow.deadline`."""

    __slots__ = ("_keeper", "_number", "due", "name")

    def __init__(self, name: str, due_at: int, number: int, keeper: DeadlineKeeper) -> None:
        self.name = name
        self.due = _EPOCH + timedelta(microseconds=due_at)
        """In UTC."""
        self._number = number
        self._keeper = keeper

    @property
    def status(self) -> DeadlineStatus:
        return self._keeper.status(self._number)

    def met(self) -> None:
        """What was promised is reached: the deadline has ended. When its time was over before, that is
        remembered (`MET_LATE`). Once more is nothing."""
        self._keeper.met(self._number, call_site(sys._getframe(1)))

    def __repr__(self) -> str:
        return f"<Deadline {self.name!r} due {self.due.isoformat()}>"


class DeadlineKeeper(Protocol):
    """The program's part of it."""

    def status(self, number: int) -> DeadlineStatus: ...
    def met(self, number: int, line: str) -> None: ...


def deadline(
    name: str,
    due: datetime | Duration,
    *,
    working_hours: WorkingTime | None = None,
    warn_before: Duration | None = None,
    on_risk: Callable[[], Any] | None = None,
    on_overdue: Callable[[], Any] | None = None,
    if_overdue: Literal["go_on", "fail"] = "go_on",
) -> Deadline:
    """By when something is to be reached, which `met()` says that it is:

        shipped = workflow.deadline(
            "shipped", timedelta(hours=24), warn_before=timedelta(hours=4), on_overdue=self.escalate
        )
        ...
        shipped.met()

    `due` is a moment, or how long from now; `working_hours` makes that, and `warn_before`, working time. So
    long before its end the deadline is at risk, which a log line tells, and `on_risk` is called; at its end it
    is overdue, which another line tells, and `on_overdue` is called. Both are functions without arguments, or
    async ones, and run as handlers of signals do. With `if_overdue="fail"` the run fails with
    DeadlineMissedError when `on_overdue` is over, unless the deadline is met by then; sagas are undone.

    The engine keeps those that are open, also while the workflow is suspended: `describe` shows them, and
    `dalsegno deadlines` lists those of a namespace. They end with the run, and do not go along where it goes on
    as another. One goes over a sign: who asks for it there, under the same name, is given it as it is, with
    what is to be done as it is said then.

    Raises ValueError for a name that another open deadline of the run has, and for a `due` that cannot be.
    """
    runtime = current_runtime("deadline")
    due_at, risk_at = _times(runtime.now, due, warn_before, working_hours)
    if not isinstance(if_overdue, str) or if_overdue not in ("go_on", "fail"):
        raise given.wrong_value("if_overdue", if_overdue, "'go_on' or 'fail'")
    for what, function in (("on_risk", on_risk), ("on_overdue", on_overdue)):
        if function is not None and not callable(function):
            raise given.wrong_type(what, function, "a function without arguments")
    if on_risk is not None and risk_at is None:
        raise ValueError("on_risk is called when the deadline is at risk: say by warn_before when that is.")
    call = DeadlineCall(
        name=given.name("The name of a deadline", name),
        due_at=due_at,
        risk_at=risk_at,
        on_risk=on_risk,
        on_overdue=on_overdue,
        fails=if_overdue == "fail",
        line=call_site(sys._getframe(1)),
    )
    return cast(Deadline, runtime.deadline(call))


def _times(now: int, due: Any, warn_before: Any, working_time: WorkingTime | None) -> tuple[int, int | None]:
    """When it is due, and when it is at risk; of what messages can carry."""
    due_at, risk_at = _asked_times(now, due, warn_before, working_time)
    return _carried(due_at), None if risk_at is None else _carried(risk_at)


def _carried(at: int) -> int:
    return min(max(at, 0), given.MICROSECONDS_MAX)


def _asked_times(
    now: int, due: Any, warn_before: Any, working_time: WorkingTime | None
) -> tuple[int, int | None]:
    lead = None if warn_before is None else given.microseconds("warn_before", warn_before)
    if isinstance(due, datetime):
        if working_time is not None:
            raise ValueError("working_hours count a duration: give one as `due`, or leave them out.")
        if due.utcoffset() is None:
            raise given.wrong_value("due", due, "a datetime with a time zone")
        due_at = _microseconds(due)
        return due_at, None if lead is None else due_at - lead
    span = given.microseconds("due", due, positive=True)
    if working_time is None:
        return now + span, None if lead is None else now + span - lead
    due_at = _after(working_time, now, span)
    return due_at, None if lead is None else _after(working_time, now, max(span - lead, 0))


def _after(working_time: Any, now: int, span: int) -> int:
    try:
        moment = working_time.after(_EPOCH + timedelta(microseconds=now), timedelta(microseconds=span))
    except (AttributeError, OverflowError):
        raise given.wrong_type("working_hours", working_time, "like WorkingHours(...)") from None
    if not isinstance(moment, datetime) or moment.utcoffset() is None:
        raise given.wrong_type("What working_hours say", moment, "a datetime with a time zone")
    return _microseconds(moment)


def _microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)
