"""Queries read, are answered at any time, and leave no trace."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from dalsegno import ApplicationError, DefinitionError, QueryFailedError, workflow
from dalsegno.actors.workflow_actor.queries.failures import QueryHandlerError
from tests.default_converter import from_failure
from tests.workflow_actor.program.play import Play
from tests.workflow_actor.program.things import echo


@workflow.defn
class Asked:
    def __init__(self) -> None:
        self.steps = 0
        self.event = asyncio.Event()

    @workflow.run
    async def run(self) -> list[Any]:
        workflow.random().random()
        for _ in range(2):
            await workflow.sleep(1)
            self.steps += 1
        waiter = asyncio.create_task(self.event.wait())
        drawn = [workflow.random().random(), str(workflow.uuid4())]
        await workflow.execute_activity(echo, "x")
        waiter.cancel()
        return drawn

    @workflow.query
    def progress(self, factor: int = 1) -> int:
        return self.steps * factor

    @workflow.query(name="known-to")
    def known(self) -> list[Any]:
        info = workflow.info()
        return [info.workflow_id, info.run_id, workflow.now().isoformat(), workflow.unsafe.is_replaying()]

    @workflow.query
    def draw(self) -> list[Any]:
        return [workflow.random().random(), str(workflow.uuid4())]

    @workflow.query
    def bad(self, how: str) -> Any:
        actions: dict[str, Callable[[], Any]] = {
            "raise": lambda: 1 / 0,
            "exit": lambda: exec("raise SystemExit(3)"),
            "unsendable": object,
            "activity": lambda: workflow.execute_activity(echo, "x"),
            "start": lambda: workflow.start_activity(echo, "x"),
            "checkpoint": lambda: workflow.checkpoint(1),
            "handler": lambda: workflow.set_signal_handler("x", print),
            "timer": lambda: asyncio.get_running_loop().call_later(1, print),
            "task": lambda: asyncio.create_task(self.event.wait()),
            "wake": self.event.set,
        }
        return actions[how]()


def test_queries_are_answered_before_during_and_after_the_run() -> None:
    play = Play(Asked)
    with pytest.raises(QueryFailedError, match="has not begun to run yet"):
        play.query("progress")
    play.begin()
    assert play.query("progress") == 0
    play.fire(1)
    assert play.query("progress", 10) == 10
    play.run()
    assert play.query("progress") == 2
    assert play.query("known-to") == ["order-7", "run-1", "2023-11-14T22:13:22+00:00", False]


@workflow.defn
class Refuses:
    @workflow.run
    async def run(self) -> None:
        await asyncio.Event().wait()

    @workflow.query
    def total(self, currency: str) -> int:
        try:
            return {"EUR": 1}[currency]
        except KeyError as error:
            raise ApplicationError("unknown", currency, type="Currency", non_retryable=True) from error


def test_a_failed_query_carries_what_the_handler_raised() -> None:
    play = Play(Refuses)
    play.begin()
    with pytest.raises(
        QueryHandlerError, match=r"The query 'total' failed: ApplicationError: unknown"
    ) as caught:
        play.query("total", "XYZ")
    raised = from_failure(caught.value.failure)
    assert isinstance(raised, ApplicationError)
    assert (raised.type, raised.non_retryable, list(raised.details)) == ("Currency", True, ["XYZ"])
    assert isinstance(raised.__cause__, ApplicationError)
    assert raised.__cause__.type == "KeyError"
    with pytest.raises(QueryHandlerError) as unfit:
        play.query("total")
    assert unfit.value.failure.type == "PayloadError"


def test_an_unknown_query_names_those_there_are() -> None:
    play = Play(Asked)
    play.begin()
    with pytest.raises(
        QueryFailedError, match="no handler for the query 'nope'; it has 'bad', 'draw', 'known-to'"
    ):
        play.query("nope")


def test_arguments_that_do_not_fit_are_the_askers_fault() -> None:
    play = Play(Asked)
    play.begin()
    with pytest.raises(QueryFailedError, match="takes 0 to 1 arguments, but was sent 2"):
        play.query("progress", 1, 2)


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ("raise", "ZeroDivisionError: division by zero"),
        ("exit", "SystemExit: 3"),
        ("unsendable", "cannot be sent"),
        ("activity", r"workflow.execute_activity was called in the query handler 'bad', which may only read"),
        ("start", r"workflow.start_activity was called"),
        ("checkpoint", r"workflow.checkpoint was called"),
        ("handler", r"workflow.set_handler was called"),
        ("timer", "A timer was called"),
        ("task", "asyncio.create_task was called"),
    ],
)
def test_a_handler_that_raises_or_acts_fails_the_query_alone(how: str, why: str) -> None:
    play = Play(Asked)
    play.begin()
    with pytest.raises(QueryFailedError, match=why):
        play.query("bad", how)
    play.fire(1)
    play.run()
    play.replayed()


def test_random_numbers_and_ids_drawn_in_a_query_leave_no_trace() -> None:
    asked, left_alone = Play(Asked), Play(Asked)
    for play in (asked, left_alone):
        play.begin()
        play.fire(1)
    first = asked.query("draw")
    assert asked.query("draw") == first
    for play in (asked, left_alone):
        play.run()
    assert asked.result == left_alone.result


def test_a_query_before_the_first_random_number_leaves_no_trace() -> None:
    play = Play(Dynamic)
    play.begin()
    drawn = play.query("draw")
    play.fire(1)
    assert play.result == drawn


def test_a_query_that_wakes_a_task_has_spoiled_the_program_and_one_that_acts_has_not() -> None:
    play = Play(Asked)
    play.begin()
    play.fire(1)
    play.fire(2)
    for how in ("raise", "activity", "timer", "task"):
        with pytest.raises(QueryFailedError):
            play.query("bad", how)
    assert not play.program.is_spoiled
    with pytest.raises(QueryFailedError, match="may only read"):
        play.query("bad", "wake")
    assert play.program.is_spoiled
    again = play.replayed()
    assert again.query("progress") == 2
    assert not again.program.is_spoiled


@workflow.defn
class Holds:
    """Keeps what can be cancelled."""

    @workflow.run
    async def run(self) -> str:
        self.timer = asyncio.get_running_loop().call_later(5, self.ring)
        self.waits = self.start("wait_cancellation_completed")
        self.tries = self.start("try_cancel")
        self.leaves = self.start("abandon")
        self.rang = False
        await workflow.wait_condition(lambda: self.rang)
        return ",".join([await self.waits, await self.tries, await self.leaves])

    def start(self, cancellation_type: Any) -> Any:
        kind = workflow.ActivityCancellationType(cancellation_type)
        return workflow.start_activity(echo, "done", cancellation_type=kind)

    def ring(self) -> None:
        self.rang = True

    @workflow.query
    def cancel(self, what: str) -> bool:
        return bool(getattr(self, what).cancel())


@pytest.mark.parametrize("what", ["timer", "waits", "tries", "leaves"])
def test_a_query_can_cancel_nothing_that_the_run_has_begun(what: str) -> None:
    play = Play(Holds)
    play.begin()
    with pytest.raises(QueryFailedError, match=r"in the query handler .cancel., which may only read"):
        play.query("cancel", what)
    assert not play.program.is_spoiled
    assert play.fire(1) == []
    assert play.run() == "done,done,done"
    play.replayed()


@workflow.defn
class Dynamic:
    @workflow.run
    async def run(self) -> float:
        workflow.set_query_handler("draw", lambda: workflow.random().random())
        workflow.set_dynamic_query_handler(self.any_query)
        assert workflow.get_query_handler("draw") is not None
        assert workflow.get_dynamic_query_handler() == self.any_query
        await workflow.sleep(1)
        return workflow.random().random()

    def any_query(self, name: str, args: Sequence[Any]) -> list[Any]:
        return [name, args]


def test_which_handler_a_query_is_put_to_does_not_follow_from_its_name_alone() -> None:
    play = Play(Dynamic)
    play.begin()
    assert play.program.query_handler("draw") == "draw"
    assert play.program.query_handler("whatever") is None
    alone = Play(Asked)
    alone.begin()
    assert alone.program.query_handler("known-to") == "known-to"
    assert alone.program.query_handler("nope") == "nope"


def test_query_handlers_can_be_set_at_run_time() -> None:
    play = Play(Dynamic)
    play.begin()
    assert play.query("whatever", 1, "two") == ["whatever", [1, "two"]]


@workflow.defn
class AskedAsync:
    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.event = asyncio.Event()
        self.done = asyncio.Event()
        self.done.set()
        self.cleaned = False

    @workflow.run
    async def run(self) -> bool:
        self.waiting = asyncio.ensure_future(self.event.wait())
        await workflow.sleep(1)
        self.event.set()
        workflow.set_query_handler("later", self.total)
        await workflow.sleep(1)
        return await self.waiting

    async def rate(self) -> int:
        await self.done.wait()
        return 3

    @workflow.query
    async def total(self, amount: int) -> int:
        async with self.lock:
            return amount * await self.rate()

    @workflow.query
    async def waits(self, how: str) -> None:
        try:
            if how == "event":
                await self.event.wait()
            elif how == "task":
                await self.waiting
            elif how == "turn":
                await asyncio.sleep(0)
            else:
                await asyncio.sleep(1)
        finally:
            self.cleaned = True

    @workflow.query
    async def fails(self) -> None:
        raise ApplicationError("no", 5, type="No")

    @workflow.query(dynamic=True)
    async def any_other(self, name: str, args: Sequence[Any]) -> list[Any]:
        return [name, await self.rate(), *args]


def test_an_async_query_handler_that_has_nothing_to_wait_for_is_answered() -> None:
    play = Play(AskedAsync)
    play.begin()
    assert play.query("total", 5) == 15
    assert play.query("anything", 1) == ["anything", 3, 1]
    play.fire(1)
    assert play.query("later", 7) == 21, "it was set at run time"
    play.fire(2)
    assert play.result is True
    assert play.query("total", 2) == 6, "also when the run has ended"
    play.replayed()


@pytest.mark.parametrize("how", ["event", "task", "turn", "sleep"])
def test_an_async_query_handler_that_waits_is_refused_and_the_workflow_goes_on(how: str) -> None:
    play = Play(AskedAsync)
    play.begin()
    with pytest.raises(QueryFailedError, match=r"(waits for something|may only read)") as refused:
        play.query("waits", how)
    assert "'waits'" in str(refused.value)
    assert not play.program.is_spoiled
    play.fire(1)
    play.fire(2)
    assert play.result is True
    play.replayed()


def test_what_an_async_query_handler_raises_reaches_who_asked() -> None:
    play = Play(AskedAsync)
    play.begin()
    with pytest.raises(QueryHandlerError) as refused:
        play.query("fails")
    error = from_failure(refused.value.failure)
    assert isinstance(error, ApplicationError)
    assert (error.type, error.details) == ("No", (5,))


@workflow.defn
class Described:
    @workflow.run
    async def run(self) -> None:
        workflow.set_signal_handler("set later", print)
        await asyncio.Event().wait()

    @workflow.signal(description="Someone has agreed.")
    def approve(self) -> None: ...

    @workflow.signal(dynamic=True, description="All the rest.")
    def rest(self, name: str, args: Sequence[Any]) -> None: ...

    @workflow.query(name="how-far", description="Steps that are done.")
    def progress(self) -> int:
        return 1

    @workflow.update(description="Another price.")
    def price(self, price: int) -> None: ...


def test_every_workflow_tells_the_handlers_that_it_has_now_with_their_descriptions() -> None:
    play = Play(Described)
    play.begin()
    assert play.query("__temporal_workflow_metadata") == {
        "definition": {
            "type": "Described",
            "queryDefinitions": [{"name": "how-far", "description": "Steps that are done."}],
            "signalDefinitions": [
                {"name": "approve", "description": "Someone has agreed."},
                {"name": "set later", "description": ""},
                {"name": "*", "description": "All the rest."},
            ],
            "updateDefinitions": [{"name": "price", "description": "Another price."}],
        },
        "currentDetails": "",
    }


def test_a_description_is_text() -> None:
    with pytest.raises(DefinitionError, match="description must be text, not 5"):
        workflow.query(description=5)  # type: ignore[call-overload]
