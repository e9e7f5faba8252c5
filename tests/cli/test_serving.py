"""`dalsegno host` and `dalsegno worker`: what they wait for, and how they end."""

from __future__ import annotations

import json
import signal
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pika  # type: ignore[import-untyped]
import pytest
from pika.adapters.blocking_connection import BlockingChannel  # type: ignore[import-untyped]

from dalsegno.broker import topology
from dalsegno.cli.failures import DONE
from dalsegno.persistence import open_store
from tests.cli.sample import MAY_END, NOTES_VARIABLE, note
from tests.cli.shell import ANSWER_SECONDS, Program, Shell, until
from tests.partition_ids import nth
from tests.system.audit import Rows

NOBODY_LISTENS = "amqp://guest:very-secret@127.0.0.1:1/orders"
QUEUES = [topology.partition_queue(nth(number)) for number in range(16)]
LAST = b"last"
NO_DATABASE = "postgresql://me:very-secret@127.0.0.1:1/orders"
TOGETHER_SECONDS = 30.0


@pytest.fixture
def short() -> Iterator[Shell]:
    """An initialised namespace on files."""
    with tempfile.TemporaryDirectory(prefix="dalsegno-") as path:
        notes = str(Path(path, "notes"))
        shell = Shell(Path(path), DALSEGNO_TIMEOUT=ANSWER_SECONDS, **{NOTES_VARIABLE: notes})
        assert shell.run("init").exit_code == DONE
        yield shell


def notes(shell: Shell) -> list[str]:
    path = shell.folder / "notes"
    return path.read_text().splitlines() if path.exists() else []


def tries(program: Program, event: str) -> int:
    """How often it has logged that something is not there."""
    return sum(line["event"] == event and "127.0.0.1:1" in line["reason"] for line in program.logged)


@pytest.mark.parametrize(
    ("arguments", "event", "times"),
    [
        # A host says the same trouble once, and again when it is another.
        (("host", "tests.cli.sample", "--broker", NOBODY_LISTENS), "broker_unavailable", 1),
        (("worker", "tests.cli.sample", "--broker", NOBODY_LISTENS), "broker_session_lost", 3),
        (("host", "tests.cli.sample", "--database", NO_DATABASE), "database_unavailable", 3),
    ],
    ids=["host without broker", "worker without broker", "host without database"],
)
def test_they_wait_for_what_is_not_there_yet_and_say_so(
    short: Shell, arguments: tuple[str, ...], event: str, times: int
) -> None:
    with short.start(*arguments) as program:
        until(lambda: tries(program, event) >= times, "it has said so")

        program.signal(signal.SIGTERM)

        assert program.wait() in (DONE, -signal.SIGTERM)
        assert program.ready() == []
        assert "very-secret" not in program.err


def test_a_worker_finishes_its_activities_before_it_ends(short: Shell) -> None:
    with short.start("host", "tests.cli.sample") as host, short.start("worker", "tests.cli.sample") as worker:
        host.wait_ready("host")
        worker.wait_ready("worker")
        short.run("workflow", "start", "Slow", "--id", "s-1")
        until(lambda: notes(short) == ["begun"], "the activity has begun")

        worker.signal(signal.SIGTERM)
        note(short.folder / "notes", MAY_END)

        assert worker.wait() == DONE
        assert notes(short) == ["begun", MAY_END, "done"]
        assert short.run("workflow", "result", "s-1").document == "done"
        assert host.stop() == DONE


@pytest.mark.parametrize("activity", ["hang", "cling"])
def test_a_worker_ends_without_an_activity_that_will_not_stop_and_another_does_its_work(
    short: Shell, activity: str
) -> None:
    with short.start("host", "tests.cli.stubborn") as host:
        host.wait_ready("host")
        with short.start("worker", "tests.cli.stubborn", "--drain-seconds", "0.1") as worker:
            worker.wait_ready("worker")
            short.run("workflow", "start", "Stubborn", "--id", "s-1", "-i", f'"{activity}"')
            until(lambda: notes(short) == ["begun"], "the activity has begun")

            worker.signal(signal.SIGTERM)

            assert worker.wait(seconds=TOGETHER_SECONDS) == DONE
            last = worker.logged[-1]
            assert last["event"] == "activities_abandoned"
            assert last["activities"] == [f"{activity} of s-1, attempt 1"]
        with short.start("worker", "tests.cli.stubborn"):
            until(lambda: notes(short) == ["begun", "begun"], "another worker has begun")


def test_a_worker_that_is_told_twice_ends_at_once_and_another_does_its_work(short: Shell) -> None:
    with short.start("host", "tests.cli.sample") as host:
        host.wait_ready("host")
        with short.start("worker", "tests.cli.sample") as worker:
            worker.wait_ready("worker")
            short.run("workflow", "start", "Slow", "--id", "s-1")
            until(lambda: notes(short) == ["begun"], "the activity has begun")

            # Of another kind, because two of one kind may arrive as one.
            worker.signal(signal.SIGTERM)
            worker.signal(signal.SIGINT)

            assert worker.wait(seconds=TOGETHER_SECONDS) == 1
        with short.start("worker", "tests.cli.sample"):
            until(lambda: notes(short) == ["begun", "begun"], "another worker has begun")


@pytest.mark.rabbitmq
@pytest.mark.postgres
def test_what_a_host_has_done_before_it_stops_is_not_delivered_again_and_the_rest_is(
    on_servers: Shell, rabbitmq_url: str, postgres_url: str
) -> None:
    assert on_servers.run("init").exit_code == DONE
    with pika.BlockingConnection(pika.URLParameters(rabbitmq_url)) as connection:
        channel = connection.channel()
        published: list[str] = []
        with on_servers.start("host", "tests.cli.sample") as host:
            host.wait_ready("host")
            assert [queue for queue in QUEUES if not consumers(channel, queue)] == []
            while len(published) < 500 or host.process.poll() is None:
                published.append(publish_start(channel, f"w-{len(published)}"))
                if len(published) == 500:
                    host.signal(signal.SIGTERM)
                connection.process_data_events(time_limit=0 if len(published) < 500 else 0.01)
            assert host.wait() == DONE
        left = left_in(channel)

    done = Rows(postgres_url).instances.keys()
    assert done
    assert left
    assert done & set(left) == set()
    assert sorted(done | set(left)) == sorted(published)
    assert len(left) == len(set(left))


@pytest.mark.rabbitmq
@pytest.mark.postgres
def test_a_host_is_ready_when_it_has_its_share_from_the_others(on_servers: Shell, postgres_url: str) -> None:
    second = Shell(on_servers.folder / "second", **on_servers.environment)
    second.folder.mkdir()
    assert on_servers.run("init").exit_code == DONE
    with on_servers.start("host", "tests.cli.sample") as one, second.start("host", "tests.cli.sample") as other:
        one.wait_ready("host")
        other.wait_ready("host")
        with closing(open_store(postgres_url)) as store:
            owned = Counter(lease.owner for lease in store.membership().cluster().leases)
        assert sorted(owned.values()) == [8, 8]
        assert other.stop() == DONE
        assert one.stop() == DONE


def publish_start(channel: BlockingChannel, workflow_id: str) -> str:
    body = {"v": 1, "workflow_id": workflow_id, "workflow_type": "Patient", "args": []}
    properties = pika.BasicProperties(
        type="workflow.start", content_type="application/json", delivery_mode=2, message_id=workflow_id
    )
    key = topology.routing_key_of(workflow_id)
    channel.basic_publish(topology.COMMANDS_EXCHANGE, key, json.dumps(body).encode(), properties)
    return workflow_id


def consumers(channel: BlockingChannel, queue: str) -> int:
    return int(channel.queue_declare(queue, passive=True).method.consumer_count)


def left_in(channel: BlockingChannel) -> list[str]:
    """IDs of the messages in the partitions' queues, up to a last one that each is sent for this."""
    left: list[str] = []
    lasts: list[str] = []

    def take(_: object, __: object, properties: pika.BasicProperties, body: bytes) -> None:
        if properties.type != "partition.marker":
            (lasts if body == LAST else left).append(properties.message_id)

    for queue in QUEUES:
        channel.basic_publish("", queue, LAST)
        channel.basic_consume(queue, take)
    while len(lasts) < len(QUEUES):
        channel.connection.process_data_events(time_limit=1)
    return left
