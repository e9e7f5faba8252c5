"""Definitions come and go while a host runs; code is looked up by task queue, type and version."""

from __future__ import annotations

import asyncio

import pytest

from dalsegno import workflow
from dalsegno.actors.supervisor.failing.strikes import STRIKES_LIMIT, struck_point
from dalsegno.actors.supervisor.partition.renewal import LOOKS_LIMIT
from dalsegno.actors.workflow_actor.actor import WorkflowActor
from dalsegno.actors.workflow_actor.program.registry import WorkflowRegistry
from dalsegno.broker.protocol.ids import run_id
from dalsegno.policies import WorkflowStatus
from tests.partition_ids import FIRST
from tests.supervisor.mail import await_result, query, signal, start
from tests.supervisor.scripted_world import ScriptedWorld

SUSPENDED, RUNNING, COMPLETED = WorkflowStatus.SUSPENDED, WorkflowStatus.RUNNING, WorkflowStatus.COMPLETED


class Waiting:
    """Until it is told to go on."""

    word = ""

    def __init__(self) -> None:
        self.told = 0

    async def wait(self, times: int = 1) -> str:
        await workflow.wait_condition(lambda: self.told >= times)
        return self.word

    @workflow.signal
    def go(self) -> None:
        self.told += 1

    @workflow.query
    def q(self) -> str:
        return self.word


@workflow.defn(name="order")
class Order(Waiting):
    word = "order"

    @workflow.run
    async def run(self) -> str:
        return await self.wait()


@workflow.defn(name="order")
class MendedOrder(Waiting):
    """Its fingerprint is another, for its name is."""

    word = "mended order"

    @workflow.run
    async def run(self) -> str:
        return await self.wait()


@workflow.defn(name="parcel")
class Parcel(Waiting):
    word = "parcel"

    @workflow.run
    async def run(self) -> str:
        await asyncio.sleep(3600)
        return await self.wait()


class CodeWorld(ScriptedWorld):
    """Of a host whose definitions change."""

    code: WorkflowRegistry

    def __init__(self, *classes: type) -> None:
        super().__init__(WorkflowRegistry([(cls, None) for cls in classes]))
        self.own()

    def begin(self, workflow_id: str = "w", **changes: object) -> None:
        self.deliver(start(f"start {workflow_id}", workflow_id, **changes))
        self.go_on()

    def send(self, message_id: str, workflow_id: str = "w") -> None:
        self.deliver(signal(message_id, workflow_id))
        self.go_on()

    def change(self, *, add: type | None = None, withdraw: str | None = None) -> None:
        if withdraw is not None:
            self.code.withdraw(withdraw)
        if add is not None:
            self.code.add(add)
        self.engine.code_changed()
        self.answer_scans()

    def answer_scans(self) -> None:
        """For suspended instances; then all goes on for a while."""
        asked, self.suspended_asked = self.suspended_asked, []
        suspended = sorted(name for name, row in self.database.rows.items() if row.status is SUSPENDED)
        for partition in asked:
            self.engine.suspended_found(partition, "", suspended)
        self.go_on()
        self.live_through(1)

    def actor(self, workflow_id: str = "w") -> WorkflowActor | None:
        return self.engine.partitions[FIRST].actors.peek(workflow_id)

    def result(self, workflow_id: str = "w") -> bytes | None:
        """Of a run that has ended."""
        self.deliver(await_result(f"result of {workflow_id}", workflow_id))
        self.go_on()
        (found,) = [r for r in self.replies() if r.kind == "result" and r.workflow_id == workflow_id]
        return None if found.result is None else found.result.data

    def reason(self, workflow_id: str = "w") -> str:
        """Why it is shown as suspended."""
        return self.database.shown[run_of(workflow_id)][1] or ""


def run_of(workflow_id: str) -> str:
    return run_id(workflow_id, f"start {workflow_id}")


NOT_HERE = "this host has no workflow 'order' for the task queue 'default'"


def test_two_task_queues_of_one_host_have_classes_of_their_own_for_one_type() -> None:
    world = CodeWorld(Order)
    world.code.add(MendedOrder, "express")
    world.begin("a")
    world.begin("b", task_queue="express")
    for workflow_id in ("a", "b"):
        world.send(f"go {workflow_id}", workflow_id)
    assert (world.result("a"), world.result("b")) == (b'"order"', b'"mended order"')


@pytest.mark.parametrize("idle_seconds", [0.0, 45.0], ids=["hot", "cold"])
def test_a_run_whose_definition_is_withdrawn_is_suspended_when_it_is_next_to_run_and_goes_on_when_it_is_back(
    idle_seconds: float,
) -> None:
    world = CodeWorld(Order, Parcel)
    world.begin()
    world.change(withdraw="order")
    assert world.status() is RUNNING, "nothing is to be run"
    world.send("go")
    assert (world.status(), world.reason()) == (SUSPENDED, NOT_HERE)
    world.live_through(idle_seconds)
    assert (world.actor() is None) == (idle_seconds > 0)
    world.change(add=Order)
    assert world.status() is COMPLETED
    assert world.result() == b'"order"'


def test_what_is_queried_while_its_definition_is_gone_says_so_and_stays_as_it_is() -> None:
    world = CodeWorld(Order)
    world.begin()
    world.change(withdraw="order")
    world.deliver(query("q"))
    world.go_on()
    reply = world.replies()[-1]
    assert reply.error is not None
    assert NOT_HERE in reply.error.message
    assert world.status() is RUNNING
    world.change(add=Order)
    world.deliver(query("q2"))
    world.go_on()
    reply = world.replies()[-1]
    assert reply.result is not None
    assert reply.result.data == b'"order"'


def test_a_start_without_a_definition_waits_for_it() -> None:
    world = CodeWorld()
    world.begin()
    world.live_through(45)
    assert world.status() is SUSPENDED
    world.change(add=Order)
    assert world.status() is RUNNING
    world.send("go")
    assert world.result() == b'"order"'


def test_an_open_run_goes_on_with_the_definition_that_takes_the_place_of_its_own() -> None:
    world = CodeWorld(Order)
    world.begin()
    world.change(withdraw="order", add=MendedOrder)
    world.send("go")
    assert world.result() == b'"mended order"'


def test_what_came_and_is_not_committed_yet_is_done_with_the_new_definition() -> None:
    world = CodeWorld(Order)
    world.begin()
    tag = world.deliver(signal("go"))
    world.run()  # it is in a round that is being written
    world.deliver(signal("again"))
    world.run()  # and this waits for the next
    world.change(withdraw="order", add=MendedOrder)
    assert world.acknowledged() == tag + 1
    assert world.status() is COMPLETED
    assert set(world.database.seen["w"]) >= {"go"}


def test_another_definition_that_comes_or_goes_changes_nothing_for_a_run() -> None:
    world = CodeWorld(Parcel)
    world.begin(workflow_type="parcel")
    before = world.actor()
    assert before is not None
    program = before.instance.live.program
    world.change(add=Order)
    world.change(withdraw="order", add=MendedOrder)
    after = world.actor()
    assert after is before
    assert program is not None
    assert after.instance.live.program is program


def strike(world: CodeWorld, task_queue: str, workflow_type: str) -> None:
    """Its code has killed as many hosts as it may, in the first input after the start."""
    point = struck_point("workflow.signal go", world.code.fingerprint(task_queue, workflow_type))
    world.database.strikes[run_of("w")] = ((point, STRIKES_LIMIT),)


def struck(*classes: type) -> CodeWorld:
    world = CodeWorld(*classes)
    world.begin()
    strike(world, "default", "order")
    world.live_through(20)
    world.send("go")
    assert world.status() is SUSPENDED
    assert f"killed its host, {STRIKES_LIMIT} times" in world.reason()
    return world


@pytest.mark.parametrize("idle_seconds", [0.0, 45.0], ids=["hot", "cold"])
def test_what_has_struck_is_tried_again_when_its_own_definition_is_another(idle_seconds: float) -> None:
    world = struck(Order)
    world.live_through(idle_seconds)
    world.change(withdraw="order", add=MendedOrder)
    assert world.status() is COMPLETED
    assert world.result() == b'"mended order"'


@pytest.mark.parametrize("idle_seconds", [0.0, 45.0], ids=["hot", "cold"])
def test_what_has_struck_is_not_tried_again_for_the_change_of_another_definition(idle_seconds: float) -> None:
    world = struck(Order)
    world.live_through(idle_seconds)
    world.change(add=Parcel)
    world.change(withdraw="parcel")
    world.live_through(20)
    assert world.status() is SUSPENDED


def test_what_has_struck_stays_suspended_when_its_definition_was_away_and_is_back() -> None:
    world = struck(Order)
    world.change(withdraw="order")
    world.change(add=Order)
    world.live_through(20)
    assert world.status() is SUSPENDED


def test_strikes_against_another_definition_do_not_count_for_the_one_that_is_there_now() -> None:
    world = CodeWorld(Order)
    world.begin()
    strike(world, "default", "order")
    world.change(withdraw="order", add=MendedOrder)
    world.send("go")
    assert world.result() == b'"mended order"'


def test_strikes_that_were_counted_against_all_code_of_a_host_lapse() -> None:
    """As older hosts counted them, by a fingerprint that no definition has."""
    world = CodeWorld(Order)
    world.begin()
    world.database.strikes[run_of("w")] = ((struck_point("workflow.signal go", "f" * 64), STRIKES_LIMIT),)
    world.live_through(20)
    world.send("go")
    assert world.result() == b'"order"'


def test_a_crowd_is_made_anew_turn_by_turn_also_when_the_code_changes_again_meanwhile() -> None:
    world = CodeWorld(Order)
    names = [f"w{number}" for number in range(3 * LOOKS_LIMIT)]
    for name in names:
        world.deliver(start(f"start {name}", name))
    world.go_on()
    in_memory = world.engine.partitions[FIRST].actors.in_memory
    assert len(in_memory) == len(names)
    world.code.withdraw("order")
    world.engine.code_changed()
    assert len(in_memory) == len(names) - LOOKS_LIMIT
    world.change(add=MendedOrder)
    assert not in_memory
    for name in names:
        world.send(f"go {name}", name)
    assert {world.result(name) for name in names} == {b'"mended order"'}


def test_while_a_partition_is_not_live_the_change_is_seen_when_it_is() -> None:
    world = CodeWorld()
    world.begin()
    world.live_through(45)
    world.engine.channel_lost(FIRST)
    world.run()
    world.change(add=Order)
    assert world.status() is SUSPENDED
    world.open_channel_of()
    world.answer_scans()
    assert world.status() is RUNNING
