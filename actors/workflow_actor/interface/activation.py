"""What one activation gives: all that the shell has to write, and then to send."""

from __future__ import annotations

from msgspec import Struct

from dalsegno.actors.workflow_actor.interface.effects import Effect, EffectID
from dalsegno.actors.workflow_actor.interface.waiting import LocalWork
from dalsegno.persistence.deadlines_port import DeadlineRow
from dalsegno.persistence.port import AttributeSet, RunChanged, RunOpened, SnapshotRow


class Probe(Struct, frozen=True, kw_only=True):
    """Nobody has started this attempt for long. Look whether its task queue is empty; if it is, the task is
    lost, and the answer is `ResendTask`. If not, or while `task`, the effect by which it was sent last, is on
    its way, nothing is to be done: it is asked again later."""

    activity_id: str
    attempt: int
    task_queue: str
    task: EffectID


class NewlyQuarantined(Struct, frozen=True):
    """A signal that has gone into the quarantine. `struck`: it has killed hosts."""

    number: int
    name: str
    reason: str
    struck: bool


class Activation(Struct, frozen=True, kw_only=True):
    """`recorded` False: there is nothing to write. `effects` are in order, those that are outstanding now with
    their IDs, transient answers with None; they are valid whether recorded or not.

    `stale`: the cause was applied before, or is about something that is over: it comes again, and what is
    outstanding is to be sent again with it.

    `works` is to be begun now; what comes of it is a cause of its own.

    `opened`, `changed`, `attributes`, `deadlines` and `snapshot` are rows to be written in the same commit, as
    they are. `incidents` were opened: their numbers, and what has happened. `quarantined` are
    signals that were set aside. `is_news`: the rows show more than
    that the run has begun, or that a try at suspended code has failed as the one before."""

    run_id: str | None
    sequence: int
    recorded: bool
    time: int
    events: bytes = b""
    effects: tuple[tuple[EffectID | None, Effect], ...] = ()
    opened: RunOpened | None = None
    changed: RunChanged | None = None
    is_news: bool = False
    snapshot: SnapshotRow | None = None
    probes: tuple[Probe, ...] = ()
    stale: bool = False
    attributes: tuple[AttributeSet, ...] = ()
    deadlines: tuple[DeadlineRow, ...] = ()
    works: tuple[LocalWork, ...] = ()
    incidents: tuple[tuple[int, str], ...] = ()
    quarantined: tuple[NewlyQuarantined, ...] = ()
