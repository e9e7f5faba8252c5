"""examples/agent, tested as its users would: with a model and tools that are mocked, or as they are."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import pytest

from dalsegno import WorkflowHandle, WorkflowUpdateFailedError
from dalsegno.errors import ApplicationError
from dalsegno.testing import WorkflowEnvironment, mocked
from examples.agent import Agent, ask_model, look_up, refund
from examples.agent.models import Decision, Message, Reply, Talk, ToolCall

REFUND = ToolCall("refund", "o-7", 1999)
ANN, BOB = Decision(True, by="ann"), Decision(False, by="bob")


@pytest.fixture
async def env() -> AsyncIterator[WorkflowEnvironment]:
    async with await WorkflowEnvironment.start_time_skipping() as environment:
        yield environment


def a_talk(budget: int = 10_000, text: str = "Refund my order o-7, please.") -> Talk:
    return Talk([Message("customer", text)], budget)


async def begun(env: WorkflowEnvironment, talk: Talk) -> WorkflowHandle[str]:
    handle = await env.client.start_workflow(Agent.run, talk, id="a-1")
    await env.sleep(60)
    return handle


class Refunds:
    def __init__(self, then: Callable[[], str] = lambda: "1999 cents were refunded") -> None:
        self.asked: list[ToolCall] = []
        self._then = then

    def mock(self) -> Callable[..., Any]:
        def answer(call: ToolCall) -> str:
            self.asked.append(call)
            return self._then()

        return mocked(refund, answer)


async def test_an_effect_is_done_when_just_that_was_approved(env: WorkflowEnvironment) -> None:
    refunds = Refunds()
    async with env.worker(workflows=[Agent], activities=[ask_model, look_up, refunds.mock()]):
        agent = await begun(env, a_talk())
        assert await agent.query(Agent.pending) == REFUND
        assert refunds.asked == []
        for other in (ToolCall("refund", "o-7", 1), ToolCall("refund", "o-8", 1999)):
            with pytest.raises(WorkflowUpdateFailedError, match="not what waits"):
                await agent.execute_update(Agent.decide, other, ANN)
        await agent.execute_update(Agent.decide, REFUND, ANN)
        assert await agent.result() == "About order o-7: 1999 cents were refunded."
        assert (await agent.query(Agent.talk)).approved_by == ["ann"]
    assert refunds.asked == [REFUND]


async def test_what_is_refused_is_not_done_and_the_model_is_told(env: WorkflowEnvironment) -> None:
    refunds = Refunds()
    async with env.worker(workflows=[Agent], activities=[ask_model, look_up, refunds.mock()]):
        agent = await begun(env, a_talk())
        await env.sleep(timedelta(days=90))
        await agent.execute_update(Agent.decide, REFUND, BOB)
        assert await agent.result() == "About order o-7: nothing was done: bob has refused it."
    assert refunds.asked == []


async def test_an_effect_that_fails_is_tried_again_and_the_model_is_told(env: WorkflowEnvironment) -> None:
    def fails() -> str:
        raise ApplicationError("the bank is away")

    refunds = Refunds(fails)
    async with env.worker(workflows=[Agent], activities=[ask_model, look_up, refunds.mock()]):
        agent = await begun(env, a_talk())
        await agent.execute_update(Agent.decide, REFUND, ANN)
        assert "it failed: the bank is away" in await agent.result()
    assert len(refunds.asked) == 5


async def test_at_the_limit_of_its_budget_it_waits_for_a_person(env: WorkflowEnvironment) -> None:
    async with env.worker(workflows=[Agent], activities=[ask_model, look_up, refund]):
        agent = await begun(env, a_talk(budget=210))
        await env.sleep(timedelta(days=365))
        assert (await agent.describe()).details == "waits for budget: 15 of 210 tokens are spent"
        with pytest.raises(WorkflowUpdateFailedError, match="by a number of tokens"):
            await agent.execute_update(Agent.raise_budget, 0)
        assert await agent.execute_update(Agent.raise_budget, 1_000) == 1_210
        await env.sleep(60)
        assert await agent.query(Agent.pending) == REFUND


async def test_a_long_talk_goes_over_signs_and_ends_somewhen(env: WorkflowEnvironment) -> None:
    def never_content(talk: list[Message]) -> Reply:
        done = len(talk) > 50
        return Reply(1, "enough") if done else Reply(1, call=ToolCall("look_up", "o-7"))

    async with env.worker(workflows=[Agent], activities=[mocked(ask_model, never_content), look_up]):
        agent = await env.client.start_workflow(Agent.run, a_talk(), id="a-1")
        assert await agent.result() == "enough"
        talk = await agent.query(Agent.talk)
    assert (talk.turns, talk.spent, len(talk.messages)) == (51, 51, 52)


async def test_decisions_that_come_twice_count_once(env: WorkflowEnvironment) -> None:
    refunds = Refunds()
    async with env.worker(workflows=[Agent], activities=[ask_model, look_up, refunds.mock()]):
        agent = await begun(env, a_talk())
        twice = [agent.execute_update(Agent.decide, REFUND, ANN, id="ann's") for _ in range(2)]
        await asyncio.gather(*twice)
        await agent.result()
    assert refunds.asked == [REFUND]
