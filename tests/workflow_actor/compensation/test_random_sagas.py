"""Random programs of sagas, one within the other, whose steps fail or are undone in vain: they do and undo what
a plain interpreter of them says, live and loaded anew before each command."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest

from dalsegno import workflow
from dalsegno.policies import WorkflowStatus
from tests.workflow_actor.compensation.desk import ONCE, Desk, book, unbook
from tests.workflow_actor.town import Town

Tree = list[Any]
"""["step", name] or ["saga", is its error caught, *parts]."""


@workflow.defn
class Tours:
    @workflow.run
    async def run(self, tree: Tree) -> None:
        await self.tour(tree)

    async def tour(self, tree: Tree) -> None:
        _, is_caught, *parts = tree
        try:
            async with workflow.saga() as saga:
                for part in parts:
                    if part[0] == "saga":
                        await self.tour(part)
                    elif part[1].endswith("code"):
                        await saga.do(book, part[1], undo=self.undoing(part[1]), retry_policy=ONCE)
                    else:
                        await saga.do(book, part[1], undo=unbook, retry_policy=ONCE)
        except Exception:
            if not is_caught:
                raise

    def undoing(self, name: str) -> Any:
        async def undo(booked: str | None) -> None:
            await workflow.execute_activity(unbook, args=[name, booked], retry_policy=ONCE)

        return undo


class Tried(Exception):  # noqa: N818 - an outcome, not an error
    """A saga has failed."""


@dataclass
class Interpreter:
    """`said` is all that is tried, in order."""

    said: list[tuple[Any, ...]] = field(default_factory=list)

    def tour(self, tree: Tree) -> None:
        _, is_caught, *parts = tree
        stack: list[tuple[str, str | None]] = []
        try:
            for part in parts:
                if part[0] == "saga":
                    self.tour(part)
                else:
                    self.step(part[1], stack)
        except Tried:
            self.said += [("unbook", *one) for one in reversed(stack)]
            if not is_caught:
                raise

    def step(self, name: str, stack: list[tuple[str, str | None]]) -> None:
        self.said.append(("book", name))
        if "full" in name:
            stack.append((name, None))
            raise Tried
        stack.append((name, name.upper()))


class RandomDesk(Desk):
    def book(self, what: str) -> str:
        self.full = what if "full" in what else ""
        return super().book(what)

    def unbook(self, what: str, booked: str | None = None) -> None:
        self.stuck = what if "stuck" in what else ""
        super().unbook(what, booked)


def make_tree(random: Random, depth: int = 2) -> Tree:
    parts: list[Tree] = []
    for number in range(random.randrange(1, 5)):
        if depth and random.random() < 0.3:
            parts.append(make_tree(random, depth - 1))
            continue
        kind = random.choice(("fine", "fine", "fine", "stuck", "full"))
        parts.append(["step", f"{depth}.{number} {kind} {random.choice(('activity', 'code'))}"])
    return ["saga", random.random() < 0.5, *parts]


@pytest.mark.parametrize("seed", range(40))
def test_what_is_done_and_undone_is_what_a_plain_interpreter_says(seed: int, passivating: bool) -> None:
    tree = make_tree(Random(seed))
    interpreter, desk = Interpreter(), RandomDesk()
    has_failed = False
    try:
        interpreter.tour(tree)
    except Tried:
        has_failed = True
    town = Town(Tours, desk.activities, passivating=passivating)
    town.run(tree)
    assert desk.tried == interpreter.said
    assert town.status is (WorkflowStatus.FAILED if has_failed else WorkflowStatus.COMPLETED)
    left = {one.phase for one in town.rig.state.compensations.values()}
    assert left <= {"failed"}
    assert not town.rig.state.compensating
