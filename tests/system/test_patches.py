"""Code is changed under workflows that run, and hosts are killed before, between and after."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from dalsegno.client import WorkflowHandle
from tests.system.conftest import EMBEDDED, SERVERS, StackFactory
from tests.system.packing_after import ParcelToday
from tests.system.packing_before import Parcel
from tests.system.stack import Stack, until

BEFORE, AFTER = "tests.system.packing_before", "tests.system.packing_after"


@pytest.fixture(
    params=[EMBEDDED, pytest.param(SERVERS, marks=[pytest.mark.rabbitmq, pytest.mark.postgres])],
)
def stack(request: pytest.FixtureRequest, stack_on: StackFactory) -> Iterator[Stack]:
    with stack_on(request.param, modules=[BEFORE], workers=0) as stack:
        stack.worker(AFTER).wait_ready()
        yield stack


async def waiting(handle: WorkflowHandle[list[str]]) -> None:
    async def waits() -> bool:
        return any("condition" in what for what in (await handle.describe()).waiting_for)

    await until(waits, f"{handle.id} waits to be released")


async def deployed(stack: Stack, *flags: str, killed: bool = False) -> None:
    before = stack.hosts[-1]
    await asyncio.to_thread(before.kill if killed else before.terminate)
    await asyncio.to_thread(stack.host(AFTER, flags=flags).wait_ready)


async def test_each_parcel_goes_on_as_it_began(stack: Stack) -> None:
    async with stack.client() as client:
        old = await client.start(Parcel.run, 3, id="old")
        await waiting(old)
        await deployed(stack, "--patch-activation", f"{AFTER}:activates")
        new = await client.start(ParcelToday.run, 2, id="new")
        late = await client.start(ParcelToday.run, 2, id="late")
        await old.signal("release")
        for handle in (old, new, late):
            await waiting(handle)
        await deployed(stack, killed=True)  # and the next one wants the change for all
        for handle in (old, new, late):
            await handle.signal("release")
            await handle.signal("release")
        assert await old.result() == ["packed plain"] * 3
        assert await new.result() == ["weighed", "packed plain"] * 2
        assert await late.result() == ["packed plain"] * 2
        assert [(await handle.describe()).patches for handle in (old, new, late)] == [(), ("weigh-first",), ()]
