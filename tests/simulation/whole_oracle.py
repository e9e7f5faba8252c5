"""Random programs of the whole language, and a plain interpreter of them: what `whole_workflows.Program` must
come to. See `oracle`."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from tests.simulation import long_leaves, oracle
from tests.simulation.activities import FOR_GOOD
from tests.simulation.oracle import Raised
from tests.simulation.workflows import Tree

LEAVES = (*oracle.LEAVES, "local", "left", "cancelled child", "saga")
BRANCHES = (*oracle.BRANCHES, "child", "child")
CLOSE_POLICIES = ("terminate", "abandon", "request_cancel")
CANCELLATIONS = (
    "wait_cancellation_completed",
    "try_cancel",
    "abandon",
    "wait_cancellation_requested",
)
POKES = 2
"""So often each program is poked, if it may wait for that."""


def make_program(random: Random, depth: int = 3, leaves: Sequence[str] = LEAVES) -> list[Tree]:
    """One tree for each run of the chain."""
    return [make_tree(random, depth, leaves) for _ in range(random.choice((1, 1, 1, 2, 3)))]


def make_tree(random: Random, depth: int, leaves: Sequence[str]) -> Tree:
    kind = random.choice(leaves if depth == 0 else BRANCHES)
    if kind in long_leaves.LEAVES:
        return long_leaves.make(kind, random)
    match kind:
        case "local":
            return [kind, random.choice((0, 0, 1, 2, FOR_GOOD))]
        case "saga":
            return [kind, f"{random.getrandbits(32):08x}", random.randrange(1, 4), random.random() < 0.5]
        case "cancelled child":
            return [kind, random.choice(CANCELLATIONS)]
        case "left":
            return [kind, random.choice(CLOSE_POLICIES), make_small_tree(random)]
        case "child":
            trees = make_program(random, depth - 1, leaves)
            return [kind, trees, POKES if any(map(waits, trees)) else 0]
        case "catch":
            return [kind, make_tree(random, depth - 1, leaves)]
        case "timeout":
            return [kind, random.choice((0.01, 1)), make_tree(random, depth - 1, leaves)]
        case "seq" | "gather" | "group":
            return [kind, *(make_tree(random, depth - 1, leaves) for _ in range(random.randrange(1, 4)))]
    return oracle.make_tree(random, 0, (kind,))


def make_small_tree(random: Random) -> Tree:
    """Of a child that is left alone: nobody pokes it."""
    return oracle.make_tree(random, 1, ("add", "flaky", "sleep", "raise"))


def waits(tree: Tree) -> bool:
    """For pokes, itself."""
    kind, *rest = tree
    match kind:
        case "pokes":
            return True
        case "catch":
            return waits(rest[0])
        case "timeout":
            return waits(rest[1])
        case "seq" | "gather" | "group":
            return any(map(waits, rest))
    return False


def program_outcome(trees: Sequence[Tree]) -> list[object]:
    """The result of a chain of runs. Raises Raised when it fails."""
    return [outcome(tree) for tree in trees]


def outcome(tree: Tree) -> object:
    kind, *rest = tree
    if kind in long_leaves.LEAVES:
        return long_leaves.outcome(kind, *rest)
    match kind:
        case "local":
            if rest[0] == FOR_GOOD:
                raise Raised("ActivityError")
            return "ok"
        case "saga":
            return f"{'undone' if rest[2] else 'done'} {rest[1]}"
        case "left":
            return "left"
        case "cancelled child":
            return "cancelled"
        case "until cancelled":
            return "not cancelled"
        case "child":
            try:
                return program_outcome(rest[0])
            except Raised:
                raise Raised("ChildWorkflowError") from None
        case "catch":
            return _caught(rest[0])
        case "seq":
            return [outcome(part) for part in rest]
        case "gather":
            return [_gathered(part) for part in rest]
        case "group":
            return [_caught(part) for part in rest]
        case "timeout":
            return outcome(rest[1])
    return oracle.outcome(tree)


def _caught(tree: Tree) -> object:
    try:
        return outcome(tree)
    except Raised as raised:
        return f"caught {raised}"


def _gathered(tree: Tree) -> object:
    try:
        return outcome(tree)
    except Raised as raised:
        return str(raised)


def sagas(tree: Tree) -> dict[str, list[int]]:
    """By its name, what each enters into its book, in that order: where nothing is cut short."""
    kind, *rest = tree
    match kind:
        case "saga":
            name, steps, fails = rest
            done = list(range(1, steps + 1))
            return {name: [*done, *(-step for step in reversed(done))] if fails else done}
        case "catch":
            return sagas(rest[0])
        case "timeout":
            return sagas(rest[1])
        case "gather" | "group":
            return {name: book for part in rest for name, book in sagas(part).items()}
        case "seq":
            found: dict[str, list[int]] = {}
            for part in rest:
                found |= sagas(part)
                if raises(part):
                    break
            return found
    return {}


def raises(tree: Tree) -> bool:
    """Whether it ends with an error."""
    try:
        outcome(tree)
    except Raised:
        return True
    return False
