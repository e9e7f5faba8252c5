"""What clients want of workflows, step by step, and what must come of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from dalsegno.policies import WorkflowStatus
from tests.simulation import oracle
from tests.simulation.activities import CLOSED_ACCOUNT, FOR_GOOD
from tests.simulation.scheduler import SECOND
from tests.simulation.store_model import REFUSED

COMPLETED = WorkflowStatus.COMPLETED


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended, as its client was told."""

    status: WorkflowStatus
    result: Any


@dataclass(frozen=True, slots=True)
class Step:
    """`kind` is signal, with start (a signal that would start it), unfit (a signal that does not fit its
    handler), refused (a signal that the database refuses), query, update, update with start, cancel,
    terminate, describe (until nothing goes on by itself), release (what is held), or again: start once more
    when the run has ended. It is taken `delay` microseconds after the one before was confirmed. `allows`: what
    an update comes to."""

    delay: int
    kind: str
    name: str = ""
    args: tuple[Any, ...] = ()
    allows: Callable[[object], bool] = bool


Check = Callable[[Ended], bool]


@dataclass(slots=True)
class Plan:
    """One workflow ID's story. `must` judges how each of its runs ended. `reads`: what queries may read.
    `is_cut_short`: its program may be ended before it is through."""

    workflow_type: str
    args: tuple[Any, ...]
    must: Check
    steps: list[Step] = field(default_factory=list)
    reads: str | None = None
    is_cut_short: bool = False
    options: dict[str, Any] = field(default_factory=dict)
    """Of its start: see `wire.StartWorkflow`."""
    first: Step | None = None
    """A signal or an update that comes with the start."""


def _completed_with(result: Any) -> Check:
    return lambda ended: ended == Ended(COMPLETED, result)


def _delay(random: Random) -> int:
    return random.choice((0, 1_000, 50_000, SECOND, 3 * SECOND))


def chain(random: Random) -> Plan:
    number = random.randrange(1_000)
    return Plan("Chain", (number,), _completed_with(number + 3))


def chain_again(random: Random) -> Plan:
    plan = chain(random)
    plan.steps = [Step(_delay(random), "again") for _ in range(random.randrange(1, 3))]
    return plan


def timer_ladder(random: Random) -> Plan:
    delays = [random.choice((0.001, 0.05, 0.7, 3.0, 11.0)) for _ in range(random.randrange(1, 4))]
    return Plan("TimerLadder", (delays,), _completed_with([True] * (len(delays) + 2)))


def appends(random: Random) -> Plan:
    items = list(range(1, random.randrange(3, 15)))
    steps: list[Step] = []
    for item in items:
        steps.append(Step(_delay(random), "signal", "append", (item,)))
        if random.random() < 0.3:
            steps.append(Step(0, "query", "read"))
        if random.random() < 0.05:
            steps.append(Step(0, "refused", "append", (REFUSED.decode(),)))
    steps.append(Step(_delay(random), "signal", "finish"))
    return Plan("Appends", (), _completed_with(items), steps, reads="append")


def transfer(random: Random) -> Plan:
    accounts = [f"account {number}" for number in range(6)]
    source, *stops = random.sample(accounts, random.randrange(2, 5))
    if random.random() < 0.5:
        stops.insert(random.randrange(len(stops) + 1), f"{CLOSED_ACCOUNT} {random.randrange(3)}")
        place = stops.index(next(stop for stop in stops if stop.startswith(CLOSED_ACCOUNT)))
        return Plan("Transfer", (source, stops, 10), _completed_with(f"undone {place + 1}"))
    return Plan("Transfer", (source, stops, 10), _completed_with("done"))


def flaky(random: Random) -> Plan:
    failures = [random.choice((0, 1, 2, 4, FOR_GOOD)) for _ in range(random.randrange(1, 4))]
    expected = ["ApplicationError" if count == FOR_GOOD else "ok" for count in failures]
    return Plan("Flaky", (failures,), _completed_with(expected))


def sign_loop(random: Random) -> Plan:
    rounds = random.randrange(1, 12)
    notes = list(range(1, random.randrange(1, 8)))
    steps = [Step(_delay(random), "signal", "note", (number,)) for number in (*notes, 0)]
    total = rounds * (rounds + 1) // 2
    return Plan("SignLoop", ({"rounds": rounds},), _completed_with([total, [*notes, 0]]), steps)


def guarded(random: Random) -> Plan:
    uncarried = random.random() < 0.3
    rest = ["not carried", "2"] if uncarried else ["2"]
    ends = [Ended(COMPLETED, [once, *rest]) for once in ("done", "lost")]
    return Plan("Guarded", (uncarried,), lambda ended: ended in ends)


def cancelled(random: Random) -> Plan:
    kind = random.choice(("cancel", "terminate"))
    seconds = random.choice((0.5, 3.0))
    stopped = WorkflowStatus.CANCELED if kind == "cancel" else WorkflowStatus.TERMINATED
    ends = [Ended(stopped, None), Ended(COMPLETED, "not cancelled")]
    return Plan("Cancellable", (seconds,), lambda ended: ended in ends, [Step(_delay(random), kind)])


def random_tree(random: Random) -> Plan:
    tree = oracle.make_tree(random)
    must = _failed if oracle.raises(tree) else _completed_with(oracle.outcome(tree))
    steps = [Step(_delay(random), "signal", "poke") for _ in range(2)]
    return Plan("RandomTree", (tree,), must, steps)


def held_tree(random: Random) -> Plan:
    """It is looked at each time that it waits for a word."""
    tree = oracle.make_tree(random, leaves=oracle.HOLDING_LEAVES)
    must = _failed if oracle.raises(tree) else _completed_with(oracle.outcome(tree))
    look, poke = Step(0, "describe"), Step(_delay(random), "signal", "poke")
    return Plan("RandomTree", (tree,), must, [look, poke, look, poke, look, Step(0, "release")])


def _failed(ended: Ended) -> bool:
    return ended.status is WorkflowStatus.FAILED


KINDS: Sequence[Callable[[Random], Plan]] = (
    chain,
    chain_again,
    timer_ladder,
    appends,
    transfer,
    flaky,
    sign_loop,
    guarded,
    cancelled,
    random_tree,
    held_tree,
)
