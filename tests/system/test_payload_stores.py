"""What is large comes by every way through hosts that are killed, and a sweep leaves all that is referred
to."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from dalsegno import Client
from tests.payload_stores import stored
from tests.payload_stores.large import LARGE, MINUTE, Teller, Waiting, enlarge_in_process
from tests.payload_stores.test_in_workflows import by_every_way
from tests.system.conftest import EMBEDDED, SERVERS, StackFactory
from tests.system.releases import ROOT
from tests.system.stack import Stack

MODULE = "tests.payload_stores.stored"
CONVERTER = ["--data-converter", f"{MODULE}:converter"]


@pytest.fixture(
    params=[
        EMBEDDED,
        pytest.param(SERVERS, marks=[pytest.mark.slow, pytest.mark.rabbitmq, pytest.mark.postgres]),
    ],
)
def stack(
    request: pytest.FixtureRequest, stack_on: StackFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Stack]:
    """The store is a folder of the stack's, or a table in its database."""
    with stack_on(request.param, modules=[MODULE], workers=0, hosts=0) as stack:
        place = str(stack.folder / "payloads") if request.param == EMBEDDED else stack.database
        monkeypatch.setenv(stored.PLACE, place)
        stack.host(flags=CONVERTER).wait_ready()
        where = ["--broker", stack.broker, "--log-format", "json"]
        stack.start("worker", ["worker", MODULE, *where, *CONVERTER]).wait_ready()
        yield stack


async def test_what_is_large_survives_hosts_and_a_sweep(stack: Stack) -> None:
    converter = stored.at(os.environ[stored.PLACE])
    async with Client.connect(stack.broker, data_converter=converter, timeout=60) as client:
        later = await client.start(Waiting.run, LARGE, id="later")
        story = asyncio.ensure_future(by_every_way(client))
        await asyncio.wait({story}, timeout=1)
        stack.hosts[0].kill_child()
        await story
        alone = client.execute_activity(enlarge_in_process, LARGE, id="alone", start_to_close_timeout=MINUTE)
        assert await alone == f"{LARGE}."

        assert await asyncio.to_thread(sweep, stack, "--dry-run") == await asyncio.to_thread(sweep, stack)
        await later.signal(Waiting.end)
        assert await later.result() == len(LARGE)
    fresh = stored.at(os.environ[stored.PLACE])
    async with Client.connect(stack.broker, data_converter=fresh, timeout=60) as client:
        assert (await client.get_workflow_handle_for(Teller.run, "teller").result()).endswith(LARGE)


def sweep(stack: Stack, *flags: str) -> int:
    """How many were deleted, of whatever age."""
    command = [sys.executable, "-m", "dalsegno.cli", "payloads", "sweep", "--older-than", "0s", "--json"]
    command += ["--database", stack.database, *CONVERTER, *flags]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    swept = json.loads(done.stdout)
    assert swept["kept"] > 0
    return int(swept["deleted"])
