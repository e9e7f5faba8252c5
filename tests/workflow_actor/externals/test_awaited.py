"""How user code waits for the ends of workflows that are not its own."""

from __future__ import annotations

import asyncio
from typing import Any

from dalsegno import ApplicationError, WorkflowStatus, workflow
from dalsegno.actors.workflow_actor.externals.events import ExternalTold
from tests.default_converter import to_payload
from tests.workflow_actor.program.play import Play


def ended(number: int, result: Any) -> ExternalTold:
    status = WorkflowStatus.COMPLETED
    return ExternalTold(number=number, run_id="r", status=status, result=to_payload(result))


@workflow.defn
class Polls:
    """Looks for the end of another one, and signs after every so many looks."""

    def __init__(self) -> None:
        self.looks = 0

    @workflow.run
    async def run(self, looks_before_sign: int) -> Any:
        other = workflow.get_external_workflow_handle("other")
        while self.looks < looks_before_sign:
            try:
                return await asyncio.wait_for(other.result(), 1)
            except TimeoutError:
                self.looks += 1
            except ApplicationError as error:
                return error.type
        return workflow.checkpoint(looks_before_sign)


def asked(play: Play) -> list[str]:
    return [digest for digest in play.digests if "external" in digest]


def test_who_polls_an_end_asks_once_and_is_told_by_what_it_has_asked() -> None:
    play = Play(Polls)
    play.begin(100)
    for number in range(1, 6):
        play.fire(number)
    assert asked(play) == ["external 1 end other"]
    play.give(ended(1, "shipped"))
    assert play.result == "shipped"
    play.replayed()


def test_what_was_asked_before_a_sign_is_not_asked_again_behind_it() -> None:
    play = Play(Polls)
    play.begin(2)
    for number in range(1, 6):
        play.fire(number)
    assert asked(play) == ["external 1 end other"]
    assert len(play.signs) == 2
    play.replayed()
    play.give(ended(1, "shipped"))
    assert play.result == "shipped"


@workflow.defn
class LooksTwice:
    """With time in between, in which the word may come."""

    @workflow.run
    async def run(self) -> Any:
        other = workflow.get_external_workflow_handle("other")
        try:
            return await asyncio.wait_for(other.result(), 1)
        except TimeoutError:
            await asyncio.sleep(1)
        return await other.result()


def test_an_end_that_was_told_while_nobody_waited_is_asked_for_anew() -> None:
    play = Play(LooksTwice)
    play.begin()
    play.fire(1)
    play.give(ended(1, "lost"))
    play.fire(2)
    assert asked(play) == ["external 1 end other", "external 2 end other"]
    play.give(ended(2, "shipped"))
    assert play.result == "shipped"
    play.replayed()


@workflow.defn
class Races:
    """Two wait for one end; both give up, and a third waits."""

    @workflow.run
    async def run(self) -> Any:
        other = workflow.get_external_workflow_handle("other")
        late = workflow.get_external_workflow_handle("other", run_id="r")

        async def look(handle: Any) -> None:
            try:
                await asyncio.wait_for(handle.result(), 1)
            except TimeoutError:
                return

        await asyncio.gather(look(other), look(other), look(late))
        return await other.result()


def test_of_several_who_have_given_up_one_request_is_kept_for_each_that_was_asked() -> None:
    play = Play(Races)
    play.begin()
    for number in range(1, 4):
        play.fire(number)
    assert asked(play) == [
        "external 1 end other",
        "external 2 end other",
        "external 3 end other",
        "forget external 2",
    ]
    play.give(ended(3, "another question"))
    play.give(ended(1, "shipped"))
    assert play.result == "shipped"
    play.replayed()
