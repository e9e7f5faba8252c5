"""Random programs, and a plain interpreter of them: what `workflows.RandomTree` must come to, whatever
happens."""

from __future__ import annotations

from random import Random

from tests.simulation.activities import FOR_GOOD
from tests.simulation.workflows import Tree

LEAVES = ("add", "flaky", "sleep", "pokes", "raise")
BRANCHES = ("catch", "seq", "gather", "group", "timeout")


class Raised(Exception):  # noqa: N818 - an outcome, not an error
    """The program raises an error of this class."""


def make_tree(random: Random, depth: int = 3) -> Tree:
    kind = random.choice(LEAVES if depth == 0 else BRANCHES)
    match kind:
        case "add":
            return [kind, random.randrange(100), random.randrange(100)]
        case "flaky":
            return [kind, random.choice((0, 0, 1, 2, FOR_GOOD))]
        case "sleep":
            return [kind, random.choice((0, 0.001, 0.5, 2))]
        case "pokes":
            return [kind, random.randrange(3)]
        case "raise":
            return [kind]
        case "catch":
            return [kind, make_tree(random, depth - 1)]
        case "timeout":
            return [kind, random.choice((0.01, 1)), make_tree(random, depth - 1)]
    return [kind, *(make_tree(random, depth - 1) for _ in range(random.randrange(1, 4)))]


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
        case "pokes":
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
