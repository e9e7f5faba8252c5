"""The agent: model, tool, model, tool, until the model has an answer. A crash anywhere loses nothing, and no
model or tool is asked a second time for what it has answered.

- An **effect** is approved before it is done, and only that one: a person sees the very call (`pending`), and
  decides (`decide`). What only reads is done at once.
- The **budget** is reserved before a call of the model and settled by what it took. Where it does not suffice,
  the agent waits for a person (`raise_budget`), as long as that takes.
- The **talk** goes over a sign now and then, so that the history stays short however long it is talked. It is a
  `Log`: with a payload store a sign writes what is new, and the model is given the talk by reference.
"""

from __future__ import annotations

from dalsegno import ActivityError, ApplicationError, RetryPolicy, workflow
from examples.agent.activities import ask_model, look_up, refund
from examples.agent.models import Decision, Message, Reply, Talk, ToolCall

RESERVED = 200
"""Tokens that a call of the model may take."""
TURNS_BETWEEN_SIGNS = 20
TURNS_MAX = 1_000


@workflow.defn
class Agent:
    @workflow.init
    def __init__(self, talk: Talk) -> None:
        self._talk = talk
        self._pending: ToolCall | None = None
        self._decision: Decision | None = None

    @workflow.run
    async def run(self, talk: Talk) -> str:
        while True:
            reply = await self._ask()
            talk.turns += 1
            if reply.call is None:
                talk.messages.append(Message("model", reply.text))
                return reply.text
            if talk.turns >= TURNS_MAX:
                raise ApplicationError("The model came to no end.", type="NoAnswer", non_retryable=True)
            talk.messages.append(Message("tool", await self._use(reply.call)))
            if talk.turns % TURNS_BETWEEN_SIGNS == 0:
                await workflow.wait_condition(workflow.all_handlers_finished)
                workflow.checkpoint(talk)

    async def _ask(self) -> Reply:
        talk = self._talk
        if talk.spent + RESERVED > talk.budget:
            workflow.set_current_details(f"waits for budget: {talk.spent} of {talk.budget} tokens are spent")
            await workflow.wait_condition(lambda: talk.spent + RESERVED <= talk.budget)
            workflow.set_current_details("")
        reply = await workflow.execute_activity(
            ask_model,
            talk.messages,
            start_to_close_timeout=60,
            retry_policy=RetryPolicy(maximum_attempts=10),
        )
        talk.spent += reply.tokens
        return reply

    async def _use(self, call: ToolCall) -> str:
        if call.tool == "look_up":
            return await workflow.execute_activity(look_up, call, start_to_close_timeout=30)
        decision = await self._decided(call)
        if not decision.approved:
            return f"nothing was done: {decision.by} has refused it"
        self._talk.approved_by.append(decision.by)
        try:
            # A failed attempt may have moved money: its service recognises the next one by the key.
            return await workflow.execute_activity(
                refund, call, start_to_close_timeout=30, retry_policy=RetryPolicy(maximum_attempts=5)
            )
        except ActivityError as failed:
            return f"it failed: {failed.cause}"

    async def _decided(self, call: ToolCall) -> Decision:
        self._pending, self._decision = call, None
        workflow.set_current_details(f"waits for leave to {call.tool} {call.cents} cents of {call.order}")
        await workflow.wait_condition(lambda: self._decision is not None)
        workflow.set_current_details("")
        return self._taken()

    def _taken(self) -> Decision:
        decision, self._decision, self._pending = self._decision, None, None
        assert decision is not None
        return decision

    @workflow.query
    def pending(self) -> ToolCall | None:
        """What waits for a decision."""
        return self._pending

    @workflow.query
    def talk(self) -> Talk:
        return self._talk

    @workflow.update
    def decide(self, call: ToolCall, decision: Decision) -> None:
        """`call` is what the person has seen: never is another one approved."""
        self._decision = decision

    @decide.validator
    def only_what_is_pending(self, call: ToolCall, decision: Decision) -> None:
        if call != self._pending or self._decision is not None:
            raise ApplicationError("This is not what waits for a decision.", type="NotPending")

    @workflow.update
    def raise_budget(self, tokens: int) -> int:
        self._talk.budget += tokens
        return self._talk.budget

    @raise_budget.validator
    def only_up(self, tokens: int) -> None:
        if tokens <= 0:
            raise ApplicationError("A budget is raised by a number of tokens.", type="NotMore")
