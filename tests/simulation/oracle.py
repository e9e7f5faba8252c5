"""Random programs, and a plain interpreter of them: what `workflows.RandomTree` must come to, whatever
happens, and what it waits for when nothing goes on by itself any more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from tests.simulation.activities import FOR_GOOD
from tests.simulation.workflows import Tree

LEAVES = ("add", "flaky", "sleep", "pokes", "raise")
HOLDING_LEAVES = (*LEAVES, "held", "within")
"""With some that wait for somebody's word, and have an activity or a timer meanwhile."""
BRANCHES = ("catch", "seq", "gather", "group", "timeout")


class Raised(Exception):  # noqa: N818 - an outcome, not an error
    """The program raises an error of this class."""


@dataclass(frozen=True, slots=True)
class Rest:
    """What a program waits for: so many activities and timers, and somebody's word unless it `is_over`."""

    activities: int = 0
    timers: int = 0
    is_over: bool = True


def make_tree(random: Random, depth: int = 3, leaves: Sequence[str] = LEAVES) -> Tree:
    kind = random.choice(leaves if depth == 0 else BRANCHES)
    match kind:
        case "add":
            return [kind, random.randrange(100), random.randrange(100)]
        case "flaky":
            return [kind, random.choice((0, 0, 1, 2, FOR_GOOD))]
        case "sleep":
            return [kind, random.choice((0, 0.001, 0.5, 2))]
        case "pokes" | "within":
            return [kind, random.randrange(3)]
        case "raise" | "held":
            return [kind]
        case "catch":
            return [kind, make_tree(random, depth - 1, leaves)]
        case "timeout":
            return [kind, random.choice((0.01, 1)), make_tree(random, depth - 1, leaves)]
    return [kind, *(make_tree(random, depth - 1, leaves) for _ in range(random.randrange(1, 4)))]


def outcome(tree: Tree) -> object:
    """The result. Raises Raised when the workflow fails."""
    kind, *rest = tree
    match kind:
        case "add":
            return rest[0] + rest[1]
        case "flaky":
            if rest[0] == FOR_GOOD:
                raise Raised("ActivityError")
            return "ok"
        case "sleep":
            return "slept"
        case "held":
            return "held"
        case "pokes" | "within":
            return f"poked {rest[0]}"
        case "raise":
            raise Raised("ApplicationError")
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
    raise AssertionError(f"no {kind!r} in a tree")


def rest(tree: Tree, pokes: int) -> Rest:
    """After so many pokes, when all that ends by itself has ended, and nothing is released."""
    kind, *parts = tree
    match kind:
        case "held":
            return Rest(activities=1, is_over=False)
        case "pokes":
            return Rest(is_over=pokes >= parts[0])
        case "within":
            return Rest() if pokes >= parts[0] else Rest(timers=1, is_over=False)
        case "catch":
            return rest(parts[0], pokes)
        case "timeout":
            return rest(parts[1], pokes)
        case "seq":
            return _rest_of_sequence(parts, pokes)
        case "gather" | "group":
            each = [rest(part, pokes) for part in parts]
            return Rest(
                sum(one.activities for one in each),
                sum(one.timers for one in each),
                all(one.is_over for one in each),
            )
    return Rest()


def _rest_of_sequence(parts: Sequence[Tree], pokes: int) -> Rest:
    for part in parts:
        left = rest(part, pokes)
        if not left.is_over or raises(part):
            return left
    return Rest()


def raises(tree: Tree) -> bool:
    """Whether it ends with an error."""
    try:
        outcome(tree)
    except Raised:
        return True
    return False


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
