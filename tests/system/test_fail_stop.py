"""What nobody contains ends a host; its parent starts another, and no work is lost."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dalsegno.actors.supervisor.failing.fail_stop import DEFECT
from tests.system.conftest import EMBEDDED, SERVERS, StackFactory
from tests.system.odd_workflows import Gathers
from tests.system.stack import Stack

pytestmark = pytest.mark.slow

SIGNALS = 4


@pytest.fixture(
    params=[
        EMBEDDED,
        pytest.param(SERVERS, marks=[pytest.mark.rabbitmq, pytest.mark.postgres]),
    ]
)
def stack(request: pytest.FixtureRequest, stack_on: StackFactory) -> Iterator[Stack]:
    with stack_on(request.param, modules=["tests.system.defects"], workers=0) as stack:
        yield stack


async def test_a_defect_in_the_middle_of_a_round_ends_the_host_and_the_next_goes_on_from_what_is_durable(
    stack: Stack,
) -> None:
    (host,) = stack.hosts
    child = host.child().pid
    async with stack.client() as client:
        handle = await client.start(Gathers.run, id="gathers")
        for number in range(SIGNALS):
            if number == SIGNALS // 2:
                stack.trap.touch()
            await handle.signal(Gathers.say, f"{number}")
        await handle.signal(Gathers.end, SIGNALS)
        assert await handle.result(timeout=60) == [f"{number}" for number in range(SIGNALS)]
    assert not stack.trap.exists(), "the defect was met"
    died = [line for line in host.log.splitlines() if '"child_died"' in line]
    assert len(died) == 1
    assert f'"exit_code": {DEFECT}' in died[0]
    assert "process_ends_by_defect" in host.log
    assert host.child().pid != child
