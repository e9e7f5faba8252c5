"""What clients want where the whole language may be spoken, and what must come of it: see `stories`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

from dalsegno.actors.workflow_actor.updates.changes import NOT_HANDLED, UNFINISHED
from dalsegno.policies import WorkflowStatus
from tests.simulation import whole_oracle
from tests.simulation.oracle import Raised
from tests.simulation.scheduler import SECOND
from tests.simulation.stories import COMPLETED, Check, Ended, Plan, Step
from tests.simulation.workflows import Tree

FAILS_WITH = {"fail": "OnPurpose", "refused": "ValueError", "unknown": "UpdateHandlerNotFound"}
"""By the name of an update, or by what is wrong with it: the type of its failure."""


def _delay(random: Random) -> int:
    return random.choice((0, 0, 1_000, 50_000, SECOND))


def word_of_program(random: Random) -> Step:
    """It is poked by signals and by updates, in which it may have no interest any more."""
    if random.random() < 0.5:
        return Step(_delay(random), "signal", "poke")
    return Step(_delay(random), "update", "nudge", (), allows=_is_nudged)


def comes_to(trees: list[Tree]) -> Check:
    try:
        must = Ended(COMPLETED, whole_oracle.program_outcome(trees))
    except Raised:
        return lambda ended: ended.status is WorkflowStatus.FAILED
    return lambda ended: ended == must


def _is_nudged(told: object) -> bool:
    return isinstance(told, int) or told in ("closed", NOT_HANDLED.type, UNFINISHED.type)


def desk(random: Random) -> Plan:
    """Each of its updates has the outcome that it must have, and each item is filed once."""
    steps: list[Step] = []
    items = list(range(1, random.randrange(3, 12)))
    for item in items:
        steps.append(_one_item(random, item))
        if random.random() < 0.2:
            steps.append(_refused(random))
    steps.append(Step(_delay(random), "signal", "finish"))
    return Plan("Desk", (), lambda ended: ended == Ended(COMPLETED, items), steps)


def _one_item(random: Random, item: int) -> Step:
    kind = random.choice(("note", "put", "work", "work", "fail"))
    if kind == "note":
        return Step(_delay(random), "signal", "note", (item,))
    outcome: object = FAILS_WITH.get(kind, item)
    return Step(_delay(random), "update", kind, (item,), allows=lambda told: told == outcome)


def _refused(random: Random) -> Step:
    """Or, when the answer was lost and it is sent again, the run may have ended."""
    name, args, what = random.choice((("put", (-1,), "refused"), ("no_such", (), "unknown")))
    allowed = FAILS_WITH[what], "closed"
    return Step(_delay(random), "update", name, args, allows=lambda told: told in allowed)


def program(random: Random) -> Plan:
    trees = whole_oracle.make_program(random)
    steps = [word_of_program(random) for _ in range(whole_oracle.POKES)]
    return Plan("Program", (trees,), comes_to(trees), steps)


def program_cut_short(random: Random) -> Plan:
    """Its children see to themselves, or are seen to. It may go on all the same, where it catches that it is
    cancelled, and wait to be poked then."""
    kind = random.choice(("cancel", "terminate"))
    trees = whole_oracle.make_program(random)
    pokes = [Step(0, "signal", "poke") for _ in range(whole_oracle.POKES)]
    return Plan("Program", (trees,), lambda _: True, [Step(_delay(random), kind), *pokes], is_cut_short=True)


KINDS: Sequence[Callable[[Random], Plan]] = (desk, program, program, program_cut_short)
