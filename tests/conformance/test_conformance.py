"""The kit finds each fault of a worker, and none in one that keeps the protocol."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import structlog

from dalsegno.broker.embedded import EmbeddedBroker, EmbeddedServer
from dalsegno.broker.port import Broker, Topology
from dalsegno.broker.protocol import codec
from dalsegno.broker.topology import CONTROL_QUEUE, control_queue
from dalsegno.cli.app import run
from dalsegno.cli.failures import USAGE
from dalsegno.conformance import POINTS, Judgement, Kit, Trial, TrialPatience
from dalsegno.errors import BrokerUnavailableError, ConfigurationError
from dalsegno.workers import Worker
from tests.conformance.served import served
from tests.conformance.tiny import Tiny
from tests.workers.conftest import QUICK

ROOT = Path(__file__).parents[2]
PATIENCE = TrialPatience(answer=4.0, silence=0.3, look_again=0.01)


@pytest.fixture(autouse=True)
def logs_of_its_own() -> Iterator[None]:
    """Commands run in this process, and have a log for people."""
    yield
    structlog.reset_defaults()


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[Broker]:
    async with EmbeddedServer(tmp_path / "broker.db"):
        yield EmbeddedBroker(tmp_path / "broker.db")


async def test_our_worker_keeps_all_points_in_both_content_types(broker: Broker) -> None:
    async def tried(content_type: str) -> list[Judgement]:
        queue = content_type.replace("/", "-")
        async with (
            Worker(broker, activities=served(), task_queue=queue, timing=QUICK),
            Trial(broker, queue, content_type=content_type, patience=PATIENCE) as trial,
        ):
            return await Kit(trial).run()

    for verdicts in await asyncio.gather(*map(tried, (codec.JSON, codec.CBOR))):
        assert [(each.point.name, each.trouble) for each in verdicts if each.trouble] == []
        assert len(verdicts) == len(POINTS)


async def test_a_worker_with_a_fault_fails_its_point_and_no_other(tmp_path: Path) -> None:
    """All at the same time, each with a broker of its own: two trials may have IDs of the same slot."""

    async def failed(fault: str | None) -> list[str]:
        file = tmp_path / f"{fault}.db"
        async with (
            EmbeddedServer(file),
            Tiny(EmbeddedBroker(file), "q", fault),
            Trial(EmbeddedBroker(file), "q", patience=PATIENCE) as trial,
        ):
            return [verdict.point.name for verdict in await Kit(trial).run() if verdict.trouble]

    faults = [point.name for point in POINTS]
    assert await asyncio.gather(*map(failed, [None, *faults])) == [[], *([fault] for fault in faults)]


async def test_what_a_worker_should_do_is_a_warning_and_what_it_must_a_failure(broker: Broker) -> None:
    points = [point for point in POINTS if point.name in ("fails for good", "unknown activity")]
    sentences = {}
    for fault in points:
        async with Tiny(broker, "q", fault.name), Trial(broker, "q", patience=PATIENCE) as trial:
            for verdict in await Kit(trial, points).run():
                if verdict.trouble:
                    sentences[verdict.point.name] = (verdict.fails, verdict.trouble)

    assert sentences == {
        "fails for good": (True, "The failure's non_retryable is False, and the activity has said True."),
        "unknown activity": (False, "It was to end as activity.failed, but ended as activity.completed."),
    }


async def test_each_point_names_a_section_of_the_contract() -> None:
    for section in {point.section for point in POINTS}:
        named = re.fullmatch(r"(docs/[a-z-]+\.md), “(.+)”", section)
        assert named, section
        page, heading = named.groups()
        assert f"\n## {heading}\n" in (ROOT / page).read_text()


async def test_without_a_worker_and_beside_a_host_it_says_what_to_do(broker: Broker) -> None:
    with pytest.raises(ConfigurationError, match=r"Nobody consumes dalsegno\.tasks\.q within 0\.1 s: start"):
        async with Trial(broker, "q", patience=TrialPatience(answer=0.1)):
            pass
    host = await broker.connect(on_closed=lambda reason: None, name="host")
    await host.declare(Topology(queues=[control_queue()]))
    await host.open_consumer(
        CONTROL_QUEUE, prefetch=1, on_delivery=lambda delivery: None, on_closed=lambda reason: None
    )
    with pytest.raises(ConfigurationError, match="A host serves this virtual host"):
        async with Trial(broker, "q"):
            pass
    await host.close()


async def test_a_broker_that_goes_away_is_not_blamed_on_the_worker(tmp_path: Path) -> None:
    async with EmbeddedServer(tmp_path / "broker.db") as server:
        broker = EmbeddedBroker(tmp_path / "broker.db")
        async with Tiny(broker, "q", "echo"), Trial(broker, "q", patience=PATIENCE) as trial:
            asking = asyncio.ensure_future(Kit(trial).run())
            await asyncio.sleep(0)
            await server.close()
            with pytest.raises(BrokerUnavailableError, match="The trial lost its connection"):
                await asking


def test_the_command_line_refuses_what_cannot_be_asked(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["conformance", "worker", "--only", "everything"]) == USAGE
    assert run(["conformance", "worker", "--task-queue", "dead"]) == USAGE
    said = capsys.readouterr().err
    assert "There is no point 'everything'; there are: echo, large, " in said
    assert "The task queue 'dead' is taken" in said
