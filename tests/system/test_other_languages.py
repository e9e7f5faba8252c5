"""The workers and clients of workers/<language>/ do what docs/protocol.md asks of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from dalsegno.conformance import POINTS
from tests.servers import RabbitMQServer, wait_until
from tests.system.bare import Bare
from tests.system.conftest import SERVERS, StackFactory
from tests.system.stack import Stack
from tests.system.toolchains import LANGUAGES, Command, build, missing

pytestmark = [pytest.mark.slow, pytest.mark.rabbitmq, pytest.mark.postgres, pytest.mark.timeout(300)]

EARLY, LATE = 1.5, None
PATIENT = 15.0
"""As EARLY, for who is to be back in time on a busy machine, too."""


@pytest.fixture(scope="module")
def stack(stack_on: StackFactory) -> Iterator[Stack]:
    flags = [flag for language in LANGUAGES for flag in ("--json-task-queue", language)]
    with stack_on(SERVERS, modules=["tests.system.foreign"], workers=0, host_flags=flags) as stack:
        yield stack


@pytest.fixture(scope="module", params=sorted(LANGUAGES))
def language(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    if tools := missing(name):
        pytest.skip(f"The worker in {name} cannot be built here: there is no {' and no '.join(tools)}.")
    return name


@pytest.fixture(scope="module")
def command(language: str, tmp_path_factory: pytest.TempPathFactory) -> Command:
    return build(language, tmp_path_factory.mktemp(language))


@pytest.fixture(scope="module", autouse=True)
def kit(rabbitmq_server: RabbitMQServer, command: Command, language: str) -> Iterator[subprocess.Popen[str]]:
    """The conformance kit, in a virtual host of its own. It waits most of the time, for grants to be asked for
    again and the like; so it does that beside the first tests."""
    asks = [sys.executable, "-m", "dalsegno.cli", "conformance", "worker", "--task-queue", language, "--json"]
    with (
        rabbitmq_server.virtual_host() as broker,
        serving(command, broker, language, act="conformance"),
        subprocess.Popen([*asks, "--broker", broker], stdout=subprocess.PIPE, text=True) as process,
    ):
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture
def bare(stack: Stack) -> Iterator[Bare]:
    with Bare(stack.broker) as bare:
        yield bare


@contextmanager
def serving(
    command: Command, broker: str, queue: str, *, act: str = "worker"
) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([*command, act, queue], env=os.environ | {"AMQP_URL": broker})
    try:
        yield process
        assert process.poll() is None, "the worker has ended by itself"
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def worker(command: Command, stack: Stack, language: str) -> Iterator[None]:
    with serving(command, stack.broker, language):
        yield


def pending(bare: Bare, workflow_id: str) -> dict[str, Any]:
    description = bare.ask("workflow.describe", {"workflow_id": workflow_id})["description"]
    activities = description.get("pending_activities") or [{}]
    told: dict[str, Any] = activities[0]
    return told


def until_it_works(bare: Bare, workflow_id: str, *, beats: bool = False) -> None:
    def works() -> bool:
        told = pending(bare, workflow_id)
        return told.get("state") == "started" and ("last_heartbeat_at" in told or not beats)

    wait_until(works, 30, f"{workflow_id} is worked on")


def result(bare: Bare, message_id: str) -> dict[str, Any]:
    return bare.reply(message_id, "result")


def ended(bare: Bare, workflow_id: str) -> Any:
    """The result of what somebody else has started; a partition may move meanwhile."""
    while (told := bare.ask("workflow.result", {"workflow_id": workflow_id})).get("error", {}).get(
        "code"
    ) == "moved":
        continue
    assert told.get("status") == "completed", told
    return told["result"]


@pytest.mark.usefixtures("worker")
def test_it_completes_tries_again_and_fails_for_good(bare: Bare, language: str) -> None:
    def start(name: str, *args: object, beat: float | None = LATE) -> str:
        return bare.start("Foreign", f"{language}-{name}-{beat}", language, name, list(args), beat)

    charged = [start("charge", 5, "€", beat=beat) for beat in (LATE, EARLY)]
    flaky, declined, unknown = start("flaky", 2), start("decline"), start("no such")
    assert [result(bare, each)["result"] for each in charged] == [{"receipt": "5 €"}] * 2
    assert result(bare, flaky)["result"] == "attempt 3"
    failure = result(bare, declined)["failure"]
    assert (failure["attempt"], failure["cause"]["type"]) == (1, "CardDeclined")
    assert failure["cause"]["message"] == "no such card"
    assert result(bare, unknown)["failure"]["cause"]["type"] == "ActivityNotFound"


@pytest.mark.usefixtures("worker")
def test_what_cannot_be_written_fails_the_attempt_and_it_serves_on(bare: Bare, language: str) -> None:
    for where in ("result", "heartbeat"):
        begun = bare.start("Foreign", f"{language}-no-{where}", language, "unwritable", [where], LATE)
        failure = result(bare, begun)["failure"]
        assert (failure["kind"], failure["attempt"]) == ("activity", 3)
    after = bare.start("Foreign", f"{language}-written", language, "charge", [1, "EUR"], LATE)
    assert result(bare, after)["result"] == {"receipt": "1 EUR"}


@pytest.mark.usefixtures("worker")
def test_it_stops_what_is_cancelled_and_serves_on(bare: Bare, language: str) -> None:
    names = {beat: f"{language}-cancelled-{beat}" for beat in (LATE, EARLY)}
    args = [100_000, 0.01]
    begun = {beat: bare.start("Foreign", name, language, "export", args, beat) for beat, name in names.items()}
    for beat, name in names.items():
        until_it_works(bare, name, beats=beat is EARLY)
        assert "error" not in bare.ask("workflow.cancel", {"workflow_id": name})
        assert result(bare, begun[beat])["status"] == "canceled"
    after = bare.start("Foreign", f"{language}-after", language, "charge", [1, "EUR"], LATE)
    assert result(bare, after)["result"] == {"receipt": "1 EUR"}


def test_a_task_that_comes_twice_is_done_once(
    stack: Stack, command: Command, bare: Bare, language: str
) -> None:
    begun = bare.start("Foreign", f"{language}-twice", language, "count", [1.0], LATE)
    wait_until(lambda: bool(pending(bare, f"{language}-twice")), 30, "the task is wanted")
    queue, taken = f"dalsegno.tasks.{language}", bare.fresh_channel()

    def copied() -> bool:
        method, properties, body = taken.basic_get(queue)
        if method is not None:
            bare.channel.basic_publish("", queue, body, properties, mandatory=True)
        return method is not None

    wait_until(copied, 30, "the task is there")
    taken.close()
    with serving(command, stack.broker, language):
        assert result(bare, begun)["result"] == 1
        again = bare.start("Foreign", f"{language}-again", language, "count", [0.0], LATE)
        assert result(bare, again)["result"] == 2, "the copy was not work of its own"


def test_it_keeps_all_points_of_the_conformance_kit(kit: subprocess.Popen[str]) -> None:
    """Before connections are cut: that is done to all virtual hosts."""
    said, _ = kit.communicate(timeout=100)

    verdicts = [json.loads(line) for line in said.splitlines()]
    assert [verdict for verdict in verdicts if not verdict["met"]] == []
    assert (kit.returncode, {verdict["point"] for verdict in verdicts}) == (0, {each.name for each in POINTS})


@pytest.mark.usefixtures("worker")
def test_what_it_works_on_survives_a_lost_connection(
    stack: Stack, rabbitmq_server: RabbitMQServer, language: str
) -> None:
    names = [f"{language}-cut-{beat}" for beat in (LATE, PATIENT)]
    with Bare(stack.broker) as before:
        for name, beat in zip(names, (LATE, PATIENT), strict=True):
            before.start("Foreign", name, language, "count", [4.0], beat)
        for name in names:
            until_it_works(before, name)
    rabbitmq_server.close_connections()
    with Bare(stack.broker) as bare:
        assert sorted(ended(bare, name) for name in names) == [1, 2], "neither has begun anew"
        after = bare.start("Foreign", f"{language}-after-the-cut", language, "count", [0.0], LATE)
        assert result(bare, after)["result"] == 3


def test_its_client_starts_and_speaks_with_a_workflow(stack: Stack, command: Command, language: str) -> None:
    def client(*arguments: str) -> Any:
        done = subprocess.run(
            [*command, *arguments],
            env=os.environ | {"AMQP_URL": stack.broker},
            capture_output=True,
            text=True,
            timeout=60,
        )
        return json.loads(done.stdout) if done.returncode == 0 else done.stderr.strip()

    name = f"{language}-talk"
    assert client("start", name, "Talk")
    assert client("start", name, "Talk").startswith("already_started: ")
    assert client("update", name, "add", '"ä"') == 1
    assert client("query", name, "heard") == ["ä"]
    assert client("update", name, "no such").startswith("update_rejected: ")
    assert client("signal", name, "end") is None
    assert client("result", name) == ["ä"]
    assert client("signal", name, "end").startswith("closed: ")
