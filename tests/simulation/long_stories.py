"""What clients want where programs last: see `stories`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from dalsegno.broker.protocol import messages as wire
from dalsegno.policies import WorkflowStatus
from tests.simulation import long_leaves, whole_oracle
from tests.simulation.long_leaves import NAMED
from tests.simulation.scheduler import SECOND
from tests.simulation.stories import COMPLETED, Ended, Plan, Step
from tests.simulation.whole_stories import comes_to, program_cut_short, word_of_program

LEAVES = (*whole_oracle.LEAVES, *long_leaves.LEAVES, *long_leaves.LEAVES)
FAILED, TIMED_OUT = WorkflowStatus.FAILED, WorkflowStatus.TIMED_OUT


def _retries(random: Random, attempts: int) -> wire.WorkflowRetries:
    return wire.WorkflowRetries(
        initial_interval=random.choice((1_000, 200_000)),
        backoff_coefficient=random.choice((1.0, 2.0)),
        maximum_interval=2 * SECOND,
        maximum_attempts=attempts,
        non_retryable_error_types=(NAMED,),
    )


def retried(random: Random) -> Plan:
    fails, attempts, how = long_leaves.make_tries(random)
    found = long_leaves.succeeds_at(fails, attempts, how)
    must = (lambda ended: ended.status is FAILED) if found is None else (lambda ended: ended == done)
    done = Ended(COMPLETED, found)
    return Plan("Retried", (fails, how), must, options={"retry_policy": _retries(random, attempts)})


def retried_in_time(random: Random) -> Plan:
    """It may run out of time, as a whole or in one of its runs; and what fails may have no time to be tried."""
    fails, attempts, how = long_leaves.make_tries(random)
    options: dict[str, Any] = {
        "retry_policy": _retries(random, attempts),
        "execution_timeout": random.choice((SECOND // 2, 3 * SECOND, 20 * SECOND)),
    }
    if random.random() < 0.5:
        options["run_timeout"] = SECOND

    def must(ended: Ended) -> bool:
        return ended.status in (FAILED, TIMED_OUT) or (ended.status is COMPLETED and ended.result > fails)

    return Plan("Retried", (fails, how), must, options=options)


def hanging(random: Random) -> Plan:
    """It runs out of time each time that it is tried, or altogether."""
    attempts = random.choice((1, 2, 3))
    limits = random.choice((("run_timeout",), ("execution_timeout",), ("run_timeout", "execution_timeout")))
    options: dict[str, Any] = {limit: random.choice((SECOND // 2, 3 * SECOND)) for limit in limits}
    if random.random() < 0.7:
        options["retry_policy"] = _retries(random, attempts)
    return Plan("Retried", (99, "hang"), lambda ended: ended.status is TIMED_OUT, options=options)


def delayed(random: Random) -> Plan:
    """It begins later than it is started; perhaps it is cancelled before, or after."""
    number = random.randrange(1_000)
    ends = [Ended(COMPLETED, number + 3)]
    steps: list[Step] = []
    if random.random() < 0.3:
        steps.append(Step(random.choice((0, SECOND)), "cancel"))
        ends.append(Ended(WorkflowStatus.CANCELED, None))
    options = {"start_delay": random.choice((1_000, SECOND, 5 * SECOND))}
    return Plan("Chain", (number,), lambda ended: ended in ends, steps, options=options)


def long_program(random: Random) -> Plan:
    trees = whole_oracle.make_program(random, leaves=LEAVES)
    steps = [word_of_program(random) for _ in range(whole_oracle.POKES)]
    return Plan("LongProgram", (trees,), comes_to(trees), steps)


def long_program_cut_short(random: Random) -> Plan:
    plan = program_cut_short(random)
    plan.workflow_type, plan.args = "LongProgram", (whole_oracle.make_program(random, leaves=LEAVES),)
    return plan


def appends_with_starts(random: Random) -> Plan:
    """Signals come with starts, or alone; what does not fit is set aside, and changes nothing."""
    items = list(range(1, random.randrange(3, 12)))
    steps: list[Step] = []
    for item in items[1:]:
        kind = random.choice(("signal", "with start"))
        steps.append(Step(random.choice((0, 0, 50_000, SECOND)), kind, "append", (item,)))
        if random.random() < 0.2:
            steps.append(Step(0, "unfit", "append", ("no number",)))
        if random.random() < 0.2:
            steps.append(Step(0, "query", "read"))
    steps.append(Step(0, "signal", "finish"))
    first = Step(0, "signal", "append", (1,))
    done = Ended(COMPLETED, items)
    return Plan("Appends", (), lambda ended: ended == done, steps, reads="append", first=first)


KINDS: Sequence[Callable[[Random], Plan]] = (
    retried,
    retried_in_time,
    hanging,
    delayed,
    long_program,
    long_program,
    long_program,
    long_program_cut_short,
    appends_with_starts,
)
