"""What clients do around a kill, and what must come of it: some of each kind of workflow, all at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from dalsegno import Client, WorkflowUpdateStage
from dalsegno.broker.port import Message
from dalsegno.broker.protocol.codec import encode
from dalsegno.broker.topology import (
    COMMANDS_EXCHANGE,
    DEFAULT_PARTITIONS,
    partition_queue,
    reply_queue,
    routing_key_of,
    slot_key,
    slot_of,
)
from dalsegno.client import (
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleBackfill,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
)
from dalsegno.client.start_options import StartOptions, start_message
from dalsegno.data_converter import DataConverter
from tests.crash.checks import effects_in_order, same_values
from tests.crash.ledger import Ledger
from tests.crash.point import Need
from tests.crash.post import Post
from tests.crash.programs import (
    ROUNDS,
    Account,
    Appends,
    Chain,
    FanOut,
    Flaky,
    Held,
    Ladder,
    Local,
    Loop,
    Parent,
    Relay,
    Saga,
    Tally,
)
from tests.crash.recorder import Recorder
from tests.partition_ids import nth
from tests.system.stack import until

SIGNALS = 12
IDLE_SECONDS = 1.6
"""Longer than hosts keep idle workflows, and than it takes them to look."""
FINISH_SECONDS = 60.0
ASK_AGAIN_SECONDS = 0.1

DELAYS = [0.05, 0.12]
CHILDREN = 3
"""Of two, whatever the story's number, both were in the same half of the partitions: with one of two hosts."""
LEGS = 3
"""Runs of a chain."""
UPDATES = 4
STEPS = ["a", "b", "c"]


class Story:
    """`wrong` is what should not be, one sentence each. `prefix` begins all its workflow IDs."""

    def __init__(
        self,
        prefix: str,
        client: Client,
        post: Post,
        *,
        ledger: Ledger,
        recorder: Recorder,
        need: Need,
    ) -> None:
        self.prefix = prefix
        self.wrong: list[str] = []
        self.expected_runs: dict[str, int] = {}
        """How many runs each workflow ID must have in the end."""
        self.letters = 0
        """How many messages must be among the dead letters."""
        self.under_way = asyncio.Event()
        """Every kind has begun, and some signs are set."""
        self.may_end = asyncio.Event()
        """Until then something is under way."""
        self._client = client
        self._post = post
        self._ledger = ledger
        self._recorder = recorder
        self._need = need
        self._chain_is_done = asyncio.Event()
        self._ended_ids: set[str] = set()

    async def play(self) -> None:
        """To the end of all its workflows. Raises what a client gets to see that it should not."""
        try:
            async with asyncio.timeout(FINISH_SECONDS), asyncio.TaskGroup() as playing:
                for part in self._parts():
                    playing.create_task(part)
        except TimeoutError:
            open_ = ", ".join(sorted(self.expected_runs.keys() - self._ended_ids))
            raise TimeoutError(f"these did not end within {FINISH_SECONDS:g} s: {open_}") from None

    def _parts(self) -> list[Coroutine[Any, Any, None]]:
        if self._need is Need.RUNS:
            return [
                self._parent(),
                self._relay(),
                self._account(),
                self._booked("local", Local.run, 4, [f"local {n}" for n in range(4)]),
            ]
        letters = [self._letters()] if self._need is Need.LETTER else []
        return [
            self._chains(),
            self._appends(),
            self._saga(),
            self._loop(),
            self._ladder(),
            self._nobody_waits(),
            self._schedule(),
            *(self._foreign_partition(offset) for offset in (1, 6, 11)),
            self._booked("fan-out", FanOut.run, 6, [f"part {n}" for n in range(6)]),
            self._booked("flaky", Flaky.run, [1, 2, 0], ["flaky"] * 3),
            self._booked("long", Chain.run, 10, [f"step {n}" for n in range(10)]),
            self._booked("held", Held.run, None, ["hold"]),
            *letters,
        ]

    # --- one part each ----------------------------------------------------------------------------------------

    def _id(self, kind: str, *, runs: int = 1) -> str:
        workflow_id = f"{self.prefix}-{kind}"
        self.expected_runs[workflow_id] = runs
        return workflow_id

    def _check(self, workflow_id: str, faults: list[str]) -> None:
        self.wrong += [f"{workflow_id}: {fault}" for fault in faults]

    async def _ended(self, workflow: Callable[..., Any], argument: Any, workflow_id: str) -> Any:
        handle = await self._started(workflow, argument, workflow_id)
        return await self._result(handle, workflow_id)

    async def _started(self, workflow: Callable[..., Any], argument: Any, workflow_id: str) -> Any:
        self._recorder.note("client", "invoke", workflow_id=workflow_id)
        arguments = [] if argument is None else [argument]
        handle = await self._client.start(workflow, *arguments, id=workflow_id)
        self._recorder.note("client", "ok", workflow_id=workflow_id, run_id=handle.run_id)
        return handle

    async def _result(self, handle: Any, workflow_id: str) -> Any:
        result = await handle.result()
        self._ended_ids.add(workflow_id)
        self._recorder.note("client", "ok", workflow_id=workflow_id, result=result)
        return result

    async def _booked(
        self, kind: str, workflow: Callable[..., Any], argument: Any, expected: list[str]
    ) -> None:
        workflow_id = self._id(kind)
        values = await self._ended(workflow, argument, workflow_id)
        self._check(workflow_id, same_values(self._ledger, workflow_id, values, expected))

    async def _chains(self) -> None:
        """Twice with one workflow ID: the second start meets a run that its host has put away."""
        workflow_id = self._id("chain", runs=2)
        expected = [f"step {number}" for number in range(3)]
        for _ in range(2):
            values = await self._ended(Chain.run, 3, workflow_id)
            self._check(workflow_id, same_values(self._ledger, workflow_id, values, expected))
            self._chain_is_done.set()

    async def _ladder(self) -> None:
        workflow_id = self._id("ladder")
        self._check_ladder(workflow_id, await self._ended(Ladder.run, DELAYS, workflow_id))

    def _check_ladder(self, workflow_id: str, in_time: list[bool]) -> None:
        if in_time != [True] * len(DELAYS):
            self._check(workflow_id, [f"a timer was early: {in_time}"])

    async def _saga(self) -> None:
        workflow_id = self._id("saga")
        values = await self._ended(Saga.run, STEPS, workflow_id)
        expected = [*(f"do {step}" for step in STEPS), *(f"undo {step}" for step in reversed(STEPS))]
        faults = same_values(self._ledger, workflow_id, values, expected)
        self._check(workflow_id, faults + effects_in_order(self._ledger, workflow_id, expected))

    async def _appends(self) -> None:
        """One signal after the other, each confirmed before the next; a sender sees what it has sent."""
        workflow_id = self._id("appends")
        handle = await self._started(Appends.run, None, workflow_id)
        for number in range(SIGNALS):
            await handle.signal(Appends.append, number)
            if number % 3 == 0:
                read = await handle.query(Appends.read)
                if read != list(range(number + 1)):
                    self._check(workflow_id, [f"after signal {number} it shows {read}"])
        await self._rest()
        await handle.signal(Appends.end, SIGNALS)
        items = await self._result(handle, workflow_id)
        if items != list(range(SIGNALS)):
            self._check(workflow_id, [f"its signals are {items}"])

    async def _loop(self) -> None:
        workflow_id = self._id("loop")
        handle = await self._started(Loop.run, Tally(ROUNDS), workflow_id)
        if not self.may_end.is_set():
            await until(
                lambda: handle.query(Loop.has_signs), f"{workflow_id} has a sign", seconds=FINISH_SECONDS
            )
            await self._chain_is_done.wait()
            self.under_way.set()
            await self._keep_asking(handle)
        await self._rest()
        await handle.signal(Loop.fine)
        values = await self._result(handle, workflow_id)
        expected = [f"round {number}" for number in range(ROUNDS, 0, -1)]
        self._check(workflow_id, same_values(self._ledger, workflow_id, values, expected))

    async def _keep_asking(self, handle: Any) -> None:
        """So that whoever takes over has to load it."""
        while not self.may_end.is_set():
            await handle.query(Loop.has_signs)
            await asyncio.sleep(ASK_AGAIN_SECONDS)

    async def _schedule(self) -> None:
        """It starts a workflow for each of three times that are over, one after the other."""
        day = datetime(2020, 1, 1, tzinfo=UTC)
        hours = [day + timedelta(hours=hour) for hour in (1, 2, 3)]
        prefix = f"{self.prefix}-scheduled"
        ids = [f"{prefix}-{hour:%Y-%m-%dT%H:%M:%SZ}" for hour in hours]
        self.expected_runs |= dict.fromkeys(ids, 1)
        schedule = Schedule(
            action=ScheduleActionStartWorkflow(Chain.run, 1, id=prefix),
            spec=ScheduleSpec(cron_expressions=["@hourly"], end_at=day + timedelta(days=1)),
            policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.BUFFER_ALL),
        )
        backfill = [ScheduleBackfill(day, hours[-1])]
        handle = await self._client.create_schedule(prefix, schedule, backfill=backfill)
        for workflow_id in ids:
            await self._begun(workflow_id)
            values = await self._result(self._client.get_workflow_handle(workflow_id), workflow_id)
            self._check(workflow_id, same_values(self._ledger, workflow_id, values, ["step 0"]))
        info = (await handle.describe()).info
        if (started := [one.action.workflow_id for one in info.recent_actions]) != ids:
            self._check(prefix, [f"it has started {started}"])
        await handle.delete()

    async def _parent(self) -> None:
        """Each child runs once, and its result is told once."""
        workflow_id = self._id("parent")
        children = [self._id(f"parent-child-{number}") for number in range(CHILDREN)]
        results = await self._ended(Parent.run, CHILDREN, workflow_id)
        self._ended_ids |= set(children)
        for child, values in zip(children, results, strict=True):
            self._check(child, same_values(self._ledger, child, values, ["step 0"]))

    async def _relay(self) -> None:
        workflow_id = self._id("relay", runs=LEGS)
        values = await self._ended(Relay.run, Tally(LEGS), workflow_id)
        expected = [f"leg {number}" for number in range(LEGS, 0, -1)]
        self._check(workflow_id, same_values(self._ledger, workflow_id, values, expected, of_runs=LEGS))

    async def _account(self) -> None:
        """Every second update is first heard of when it is accepted, and its outcome awaited then."""
        workflow_id = self._id("account")
        handle = await self._started(Account.run, None, workflow_id)
        told = []
        for number in range(UPDATES):
            if number % 2:
                told.append(await handle.execute_update(Account.deposit, f"deposit {number}"))
            else:
                update = await handle.start_update(
                    Account.deposit, f"deposit {number}", wait_for_stage=WorkflowUpdateStage.ACCEPTED
                )
                told.append(await update.result())
        await handle.signal(Account.end, UPDATES)
        values = await self._result(handle, workflow_id)
        if values != told:
            self._check(workflow_id, [f"it has deposited {values}, and said {told}"])
        expected = [f"deposit {number}" for number in range(UPDATES)]
        self._check(workflow_id, same_values(self._ledger, workflow_id, values, expected))

    async def _rest(self) -> None:
        if self._need is Need.IDLE:
            await asyncio.sleep(IDLE_SECONDS)  # nothing happening is what is needed here
        await self.may_end.wait()

    async def _nobody_waits(self) -> None:
        """A start whose sender is gone before it is answered."""
        workflow_id = self._id("unread")
        await self._post.send(COMMANDS_EXCHANGE, routing_key_of(workflow_id), self._unread(workflow_id))
        await self._raw_ended(workflow_id)

    async def _foreign_partition(self, offset: int) -> None:
        """A start in another partition's queue."""
        workflow_id = self._id(f"foreign-{offset}")
        partition = (slot_of(workflow_id) + offset) % DEFAULT_PARTITIONS
        await self._post.send("", partition_queue(nth(partition)), self._unread(workflow_id))
        await self._raw_ended(workflow_id)

    def _unread(self, workflow_id: str) -> Message:
        self._recorder.note("post", "invoke", workflow_id=workflow_id)
        options: StartOptions = {"id": workflow_id}
        start = start_message(Ladder.run, [DELAYS], options, ("accepted", "result"), DataConverter.default)
        reader = reply_queue("nobody")
        return encode(start, message_id=str(uuid4()), correlation_id="nobody", reply_to=reader)

    async def _raw_ended(self, workflow_id: str) -> None:
        self._recorder.note("post", "ok", workflow_id=workflow_id)
        await self._begun(workflow_id)
        handle = self._client.get_workflow_handle(workflow_id)
        self._check_ladder(workflow_id, await self._result(handle, workflow_id))

    async def _begun(self, workflow_id: str) -> None:
        async def is_known() -> bool:
            return bool([row async for row in self._client.list_workflows(workflow_id=workflow_id)])

        await until(is_known, f"{workflow_id} has begun", seconds=FINISH_SECONDS)

    async def _letters(self) -> None:
        """What nobody can read, for every partition."""
        for slot in range(DEFAULT_PARTITIONS):
            garbage = Message(body=b"\xff\xff", message_id=str(uuid4()), type="workflow.start")
            await self._post.send(COMMANDS_EXCHANGE, slot_key(slot), garbage)
            self.letters += 1
