"""What clients want where updates come with starts, some do not fit, and runs are found by search attributes:
see `stories`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

from dalsegno.actors.workflow_actor.updates.changes import NOT_HANDLED
from dalsegno.broker.protocol import messages as wire
from dalsegno.policies import WorkflowStatus
from tests.simulation.full_workflows import Change, Labels, after, stored
from tests.simulation.scheduler import SECOND
from tests.simulation.stories import COMPLETED, Ended, Plan, Step
from tests.simulation.whole_stories import FAILS_WITH

UNFIT = "PayloadError"
"""By what an update fails whose arguments do not fit its handler."""
UNFIT_IN_THE_END = (UNFIT, "closed", NOT_HANDLED.type)
SEEN_TO = ("retry", "edit", "edit", "drop")


def _delay(random: Random) -> int:
    return random.choice((0, 0, 1_000, 50_000, SECOND))


def full_desk(random: Random) -> Plan:
    """Each update has the one outcome that it must have, whether it came alone or with a start, and each item
    is filed once, also what a person has edited."""
    items = list(range(1, random.randrange(3, 12)))
    steps: list[Step] = []
    filed: list[int] = []
    for item in items:
        kind = random.choice(("note", "unfit", "put", "work", "work", "fail"))
        if kind == "note":
            steps.append(Step(_delay(random), "signal", "note", (item,)))
        elif kind == "unfit":
            action = random.choice(SEEN_TO)
            steps.append(Step(_delay(random), "unfit", "note", (f"{action} {item}",)))
            if action == "drop":
                continue
        else:
            steps.append(_update(random, random.choice(("update", "update with start")), kind, item))
        filed.append(item)
        if random.random() < 0.2:
            steps.append(_unfit_update(random))
    steps.append(Step(_delay(random), "signal", "finish"))
    done = Ended(COMPLETED, filed)
    return Plan("FullDesk", (len(filed),), lambda ended: ended == done, steps, first=_first(random, steps))


def _first(random: Random, steps: list[Step]) -> Step | None:
    """What the run begins with: one of the updates, in place of coming later; or one that does not fit, which
    begins it all the same; or nothing."""
    updates = [step for step in steps if step.kind == "update with start"]
    if updates and random.random() < 0.6:
        steps.remove(updates[0])
        return Step(0, "update", updates[0].name, updates[0].args, allows=updates[0].allows)
    if random.random() < 0.3:
        return Step(0, "update", "put", ("no number",), allows=lambda told: told == UNFIT)
    return None


def _update(random: Random, kind: str, name: str, item: int) -> Step:
    outcome: object = FAILS_WITH.get(name, item)
    return Step(_delay(random), kind, name, (item,), allows=lambda told: told == outcome)


def _unfit_update(random: Random) -> Step:
    """Or, when the answer was lost and it is sent again, the run may have ended; or it ends in the turn in
    which it goes on after a suspension, amid which updates are taken unseen."""
    name = random.choice(("put", "work"))
    return Step(_delay(random), "update", name, ("no number",), allows=lambda told: told in UNFIT_IN_THE_END)


# --- search attributes ---------------------------------------------------------------------------------------


def _labels(random: Random, *, late: bool) -> Labels:
    choices: Labels = {
        "Stage": random.randrange(-3, 4),
        "Words": [f"word {n}" for n in range(random.randrange(1, 4))],
        "Note": f"note {random.randrange(3)}",
    }
    if late:
        choices["Late"] = random.random() < 0.5
    names = random.sample(sorted(choices), random.randrange(1, len(choices)))
    return {name: choices[name] for name in names}


def _change(random: Random) -> Change:
    labels = _labels(random, late=random.random() < 0.3)
    taken_back = [name for name in labels if random.random() < 0.3]
    return random.choice(("", "act", "sleep")), {**labels, **dict.fromkeys(taken_back)}


def _parts(random: Random) -> list[list[Change]]:
    return [[_change(random) for _ in range(random.randrange(4))] for _ in range(random.choice((1, 1, 2, 3)))]


def labelled(random: Random) -> Plan:
    first, parts, fails = _labels(random, late=False), _parts(random), random.choice((0, 0, 1, 2))
    has = first
    for part in parts:
        has = after(has, part)
    done = Ended(COMPLETED, has)
    retries = wire.WorkflowRetries(initial_interval=1_000, maximum_interval=SECOND)
    options = {"search_attributes": stored(first), "retry_policy": retries}
    return Plan("Labelled", (parts, fails), lambda ended: ended == done, options=options)


def labelled_cut_short(random: Random) -> Plan:
    plan = labelled(random)
    result = plan.must
    stopped = (WorkflowStatus.CANCELED, WorkflowStatus.TERMINATED)
    plan.must = lambda ended: ended.status in stopped or result(ended)
    plan.steps = [Step(_delay(random), random.choice(("cancel", "terminate")))]
    return plan


def labelled_child(random: Random) -> Plan:
    first, parts = _labels(random, late=False), _parts(random)
    has = first
    for part in parts:
        has = after(has, part)
    done = Ended(COMPLETED, has)
    return Plan("Parent", (first, parts), lambda ended: ended == done)


KINDS: Sequence[Callable[[Random], Plan]] = (
    full_desk,
    full_desk,
    labelled,
    labelled,
    labelled_cut_short,
    labelled_child,
)
