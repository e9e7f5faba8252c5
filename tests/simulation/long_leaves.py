"""What long programs may say beside the words of `whole_oracle`: runs that are tried again or run out of time,
activities that wait for a person, and deadlines. What is made of each, and what it must come to."""

from __future__ import annotations

from random import Random

from tests.simulation.oracle import Raised
from tests.simulation.workflows import Tree

LEAVES = ("retried child", "timed child", "incident", "deadline", "missing child")
NAMED = "Named"
"""The type of error after which nothing is tried again."""

ACTIONS = ("retry", "retry twice", "complete", "fail")
"""What a person does about an incident: try the activity again, once it is mended, or before that in vain."""


def make(kind: str, random: Random) -> Tree:
    match kind:
        case "retried child":
            return [kind, *make_tries(random)]
        case "timed child":
            return [kind, random.choice(("run", "execution")), random.choice((1, 2, 3))]
        case "incident":
            return [kind, random.choice(ACTIONS), f"{random.getrandbits(32):08x}"]
        case "deadline":
            return [kind, random.random() < 0.5, f"{random.getrandbits(32):08x}"]
        case "missing child":
            return [kind, random.random() < 0.5]
    raise AssertionError(f"no {kind!r} is a leaf")


def make_tries(random: Random) -> tuple[int, int, str]:
    """How often it fails, how often it may be tried (0: for ever), and how it fails."""
    fails, attempts = random.randrange(4), random.choice((0, 0, 1, 2, 3))
    return fails, attempts, random.choice(("raise", "raise", "for good", "named"))


def succeeds_at(fails: int, attempts: int, how: str) -> int | None:
    """The number of the attempt that does not fail; None if there is none."""
    is_tried_again = how == "raise" and (attempts == 0 or attempts > fails)
    return fails + 1 if fails == 0 or is_tried_again else None


def outcome(kind: str, *rest: object) -> object:
    """Raises Raised."""
    match kind, *rest:
        case "retried child", int() as fails, int() as attempts, str() as how:
            found = succeeds_at(fails, attempts, how)
            if found is None:
                raise Raised("ChildWorkflowError")
            return found
        case "timed child", *_:
            raise Raised("ChildWorkflowError")
        case "incident", "fail", _:
            raise Raised("ActivityError")
        case "incident", action, _:
            return "by hand" if action == "complete" else "repaired"
        case "deadline", is_late, _:
            return ["overdue", "met_late"] if is_late else ["met"]
        case "missing child", is_saved:
            if is_saved:
                return "saved"
            raise Raised("ChildWorkflowError")
    raise AssertionError(f"no {kind!r} is a leaf")
