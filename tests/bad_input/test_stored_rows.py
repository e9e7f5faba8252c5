"""Damaged rows, met by a host: each is named in a typed error and harms its own instance alone."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections.abc import Iterator
from itertools import count

import pytest

from dalsegno.client import Client
from dalsegno.client.errors import NoAnswerError
from dalsegno.errors import CommandRejectedError, WorkflowNotFoundError
from dalsegno.persistence.url import parse_url
from tests.bad_input.damage import damages, harmless, inflict
from tests.protocol.hostile import CANARY
from tests.system.signs import DalSegno, Score
from tests.system.stack import ROOT, Stack

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

WOUNDS = {f"hurt-{number}": damage for number, damage in enumerate(damages())}
SCRATCHES = {f"scratched-{number}": damage for number, damage in enumerate(harmless())}
SOUND = [f"sound-{number}" for number in range(32)]
"""Two for each partition."""
ANSWER_SECONDS = 30.0
READ_EVERY_SECONDS = 0.1


@pytest.fixture
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("rows")
    with Stack(
        broker=f"embedded://{folder / 'broker.db'}",
        database=f"sqlite:///{folder / 'dalsegno.db'}",
        folder=folder,
        modules=["tests.system.signs"],
        workers=0,
    ) as stack:
        yield stack


async def begin(stack: Stack) -> None:
    """An instance for each damage, with a snapshot and a journal row behind it."""
    async with stack.client() as client:

        async def one(workflow_id: str) -> None:
            handle = await client.start(DalSegno.run, Score(wanted=1), id=workflow_id, message_id="start")
            await handle.signal("coda", message_id="coda")

        await asyncio.gather(*(one(workflow_id) for workflow_id in [*WOUNDS, *SCRATCHES, *SOUND]))


async def keep_reading(client: Client) -> None:
    """Ask for workflows that are not there, each of which a host looks up."""
    for number in count():
        with pytest.raises(WorkflowNotFoundError):
            await client.get_workflow_handle(f"nobody-{number}").describe()
        await asyncio.sleep(READ_EVERY_SECONDS)


async def refusal_of(client: Client, workflow_id: str) -> str:
    """What a question is answered with."""
    handle = client.get_workflow_handle(workflow_id)
    try:
        answer = await handle.query(DalSegno.played, timeout=ANSWER_SECONDS)
    except CommandRejectedError as error:
        return str(error)
    except NoAnswerError as error:
        return f"no answer: {error}"
    return f"it is taken, and answers {answer}"


async def an_operator_ends_and_begins_anew(client: Client) -> None:
    """Whatever the damage: what is sent is taken and not thrown away, and the workflow ID is of use again."""

    async def one(workflow_id: str) -> None:
        handle = client.get_workflow_handle(workflow_id)
        await handle.signal("coda", message_id="kept", timeout=ANSWER_SECONDS)
        await handle.terminate("its rows are damaged", timeout=ANSWER_SECONDS)
        anew = await client.start(DalSegno.run, Score(wanted=1), id=workflow_id, timeout=ANSWER_SECONDS)
        await anew.signal(DalSegno.fine, timeout=ANSWER_SECONDS)
        assert await anew.result(timeout=ANSWER_SECONDS) == 1

    await asyncio.gather(*(one(workflow_id) for workflow_id in WOUNDS))


async def test_damaged_rows_harm_their_own_instances_alone(stack: Stack) -> None:
    await begin(stack)
    (host,) = stack.hosts
    host.kill()
    inflict(parse_url(stack.database).path, WOUNDS | SCRATCHES)
    await host.start().until_ready()
    before = [host.pid, host.child().pid]

    async with stack.client() as client:
        # What fails alone is given up when other reads succeed, so there are some.
        others = asyncio.create_task(keep_reading(client))
        asked = {workflow_id: refusal_of(client, workflow_id) for workflow_id in WOUNDS}
        refusals = dict(zip(asked, await asyncio.gather(*asked.values()), strict=True))
        others.cancel()
        whole = [client.get_workflow_handle(workflow_id) for workflow_id in [*SOUND, *SCRATCHES]]
        await asyncio.gather(*(handle.signal(DalSegno.fine) for handle in whole))
        assert await asyncio.gather(*(handle.result(timeout=ANSWER_SECONDS) for handle in whole)) == [1] * len(
            whole
        )

        await an_operator_ends_and_begins_anew(client)

    unnamed = {
        WOUNDS[workflow_id].name: text
        for workflow_id, text in refusals.items()
        if "cannot be read" not in text or not re.search(r"run \S+, sequence|column|row of workflow", text)
    }
    assert unnamed == {}
    assert all("cannot be read" in text for text in refusals.values())
    assert [host.pid, host.child().pid] == before
    assert "Traceback" not in host.log
    for text in (*refusals.values(), host.log, verified(stack)):
        assert CANARY not in text


def verified(stack: Stack) -> str:
    """What the check of all histories says; it must come to its end, and find something."""
    command = [sys.executable, "-m", "dalsegno.cli", "verify", "--database", stack.database]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    return done.stdout + done.stderr
