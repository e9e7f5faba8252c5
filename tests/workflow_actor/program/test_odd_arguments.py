"""Every function of `workflow`, in workflow code and outside of it, with values that it does not expect."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from dalsegno import workflow
from dalsegno.actors.workflow_actor.program.port import WorkflowCodeError
from tests.sdk.odd_values import ODD
from tests.workflow_actor.program.play import Play
from tests.workflow_actor.program.test_options import require_readable

CALLS: dict[str, Callable[[Any], Any]] = {
    "sleep": workflow.sleep,
    "asyncio.sleep": asyncio.sleep,
    "wait_condition": workflow.wait_condition,
    "wait_condition timeout": lambda odd: workflow.wait_condition(lambda: False, timeout=odd),
    "wait": workflow.wait,
    "wait timeout": lambda odd: workflow.wait([asyncio.ensure_future(asyncio.sleep(0))], timeout=odd),
    "wait return_when": lambda odd: workflow.wait([asyncio.ensure_future(asyncio.sleep(0))], return_when=odd),
    "as_completed": lambda odd: list(workflow.as_completed(odd)),
    "as_completed timeout": lambda odd: next(workflow.as_completed([asyncio.sleep(0)], timeout=odd)),
    "asyncio.wait_for": lambda odd: asyncio.wait_for(asyncio.sleep(0), odd),
    "call_later": lambda odd: asyncio.get_running_loop().call_later(odd, int),
    "call_at": lambda odd: asyncio.get_running_loop().call_at(odd, int),
    "create_task name": lambda odd: asyncio.create_task(asyncio.sleep(0), name=odd),
    "execute_activity_method": lambda odd: workflow.execute_activity_method(odd, "x"),
    "start_activity_method": lambda odd: workflow.start_activity_method(odd, "x"),
    "result_type": lambda odd: workflow.execute_activity("echo", "x", result_type=odd),
    "child options": lambda odd: workflow.execute_child_workflow("Shipment", run_timeout=odd, start_delay=odd),
    "child retry_policy": lambda odd: workflow.execute_child_workflow("Shipment", retry_policy=odd),
    "child search_attributes": lambda odd: workflow.execute_child_workflow("Shipment", search_attributes=odd),
    "priority": lambda odd: workflow.execute_activity("echo", "x", priority=odd),
    "child priority": lambda odd: workflow.execute_child_workflow("Shipment", priority=odd),
    "memo_value": workflow.memo_value,
    "upsert_memo": workflow.upsert_memo,
    "upsert_memo value": lambda odd: workflow.upsert_memo({"key": odd}),
    "set_current_details": workflow.set_current_details,
    "is_failure_exception": workflow.is_failure_exception,
    "memo_value type": lambda odd: workflow.memo_value("key", type_hint=odd),
    "get_signal_handler": workflow.get_signal_handler,
    "get_query_handler": workflow.get_query_handler,
    "set_signal_handler": lambda odd: workflow.set_signal_handler("x", odd),
    "set_signal_handler name": lambda odd: workflow.set_signal_handler(odd, print),
    "set_query_handler": lambda odd: workflow.set_query_handler("x", odd),
    "set_query_handler name": lambda odd: workflow.set_query_handler(odd, len),
    "set_dynamic_signal_handler": workflow.set_dynamic_signal_handler,
    "set_dynamic_query_handler": workflow.set_dynamic_query_handler,
    "checkpoint": workflow.checkpoint,
}

call: list[Any] = []


@workflow.defn
class Calling:
    @workflow.run
    async def run(self) -> str:
        function, value = call
        outcome: Any = function(value)
        if isinstance(outcome, Awaitable):
            await outcome
        return "done"


@pytest.mark.parametrize("what", CALLS)
def test_an_odd_value_is_taken_or_is_a_bug_in_the_user_s_line_and_all_can_be_stored(what: str) -> None:
    for value in ODD:
        call[:] = CALLS[what], value
        play = Play(Calling, memo={"key": 1})
        try:
            intents = play.begin()
        except WorkflowCodeError as bug:
            # Or in that of the value, whose own methods may raise.
            assert "test_odd_arguments.py:" in bug.reason or "odd_values.py:" in bug.reason, bug.reason
            assert len(bug.reason.encode()) < 10_000
        else:
            require_readable(intents)
            for text in play.program.waiting_for():
                text.encode()
            if play.activities:  # whatever the result is to be, the run goes on or is told why not
                try:
                    play.resolve(1, "x")
                except WorkflowCodeError as bug:
                    assert bug.reason
        play.program.drop()


OUTSIDE = [
    name for name in CALLS if "." not in name and not name.startswith(("call_", "create_task", "result_type"))
]


@pytest.mark.parametrize("what", OUTSIDE)
async def test_outside_of_a_workflow_every_function_says_so(what: str) -> None:
    if what.startswith(("wait ", "as_completed")) or what in ("wait", "sleep"):
        return  # pure asyncio: they work anywhere
    with pytest.raises(workflow.NotInWorkflowError):
        outcome = CALLS[what]("x")
        await outcome
