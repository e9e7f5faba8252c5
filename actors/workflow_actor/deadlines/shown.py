"""Deadlines as people see them, and the rows by which lists find them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dalsegno.actors.workflow_actor.deadlines.deadline import HeldDeadline
from dalsegno.persistence.deadlines_port import DeadlineRow


def described(deadlines: Mapping[int, HeldDeadline]) -> tuple[dict[str, Any], ...]:
    """Those that are open, as they come due, and then those that are over, the newest first."""
    ordered = sorted(deadlines.items(), key=_order)
    return tuple(
        {
            "number": number,
            "name": one.name,
            "status": one.phase,
            "set_at": one.set_at,
            "due_at": one.due_at,
            "risk_at": one.risk_at,
            "met_at": one.met_at,
        }
        for number, one in ordered
    )


def _order(item: tuple[int, HeldDeadline]) -> tuple[bool, int, int]:
    number, one = item
    return (False, one.due_at, number) if one.is_open else (True, -(one.met_at or 0), -number)


def deadline_rows(
    run_id: str,
    before: Mapping[int, HeldDeadline],
    after: Mapping[int, HeldDeadline],
    *,
    closed: bool,
    anew: bool = False,
) -> tuple[DeadlineRow, ...]:
    """What has changed of those that are open; with `anew` all that are. With the run all end."""
    return tuple(_rows(run_id, before, {} if closed else after, anew=anew))


def _rows(
    run_id: str, before: Mapping[int, HeldDeadline], after: Mapping[int, HeldDeadline], *, anew: bool
) -> Iterator[DeadlineRow]:
    open_before = {number: one for number, one in before.items() if one.is_open}
    open_after = {number: one for number, one in after.items() if one.is_open}
    for number in sorted(open_before.keys() - open_after.keys()):
        one = open_before[number]
        yield DeadlineRow(run_id, number, one.name, one.due_at, one.due_at, is_over=True)
    for number in sorted(open_after.keys() - (() if anew else open_before.keys())):
        one = open_after[number]
        risk_at = one.due_at if one.risk_at is None else min(one.risk_at, one.due_at)
        yield DeadlineRow(run_id, number, one.name, one.due_at, risk_at)
