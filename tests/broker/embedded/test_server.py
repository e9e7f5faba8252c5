"""What a session and a message outlive, and what the owner bears."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from pathlib import Path

import pytest

from dalsegno.broker.embedded import EmbeddedBroker, EmbeddedServer, session, switchboard
from dalsegno.broker.embedded.journal import SWITCH_SECONDS
from dalsegno.broker.embedded.link import SocketLink
from dalsegno.broker.embedded.store import QueueStore
from dalsegno.broker.embedded.wire import MAX_FRAME_BYTES, Operation, encode_frame
from dalsegno.broker.port import Message, Outcome, Queue, Session, Topology
from dalsegno.errors import BrokerUnavailableError, ConfigurationError
from tests.broker.embedded.owner import OwnerProcess
from tests.broker.embedded.sessions import open_session
from tests.broker.witness import Ends, Inbox, Sender, bodies, consume, eventually, fill, numbered

MORTAL = Queue("mortal", dead_letter_exchange="", dead_letter_routing_key="dead")


async def open_by_socket(path: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
    """A session that goes through the socket although the server is here."""
    with monkeypatch.context() as patched:
        patched.setattr("dalsegno.broker.embedded.broker.server_here", lambda _: None)
        return await open_session(path)


# -- what outlives what ----------------------------------------------------------------------------


async def test_everything_is_there_after_a_restart(path: Path) -> None:
    async with EmbeddedServer(path):
        first = await open_session(path)
        await fill(first, "q", numbered(5))
        inbox = Inbox()
        consumer = await consume(first, "q", inbox, prefetch=3)
        await inbox.receive(3)
        consumer.acknowledge(1)
        await first.close()
    async with EmbeddedServer(path):
        second = await open_session(path)
        assert await second.queue_depth("q") == 4
        again = Inbox()
        await consume(second, "q", again)
        deliveries = await again.receive(4)
        assert again.bodies == bodies(numbered(4, start=1))
        assert [delivery.redelivered for delivery in deliveries] == [True, True, True, False]
        await second.close()


async def test_a_server_that_stops_tells_its_sessions(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ends, consumer_ends = Ends(), Ends()
    async with EmbeddedServer(path):
        local = await open_session(path, ends)
        await consume(local, "q", Inbox(), ends=consumer_ends)
        remote = await open_by_socket(path, monkeypatch)
    assert await ends.announced() == "The embedded broker was stopped."
    await consumer_ends.announced()
    await eventually(lambda: not remote.is_open, "the end of the remote session")
    with pytest.raises(BrokerUnavailableError, match="was stopped"):
        await local.queue_depth("q")


async def test_when_the_owner_is_killed_sessions_end_and_what_is_in_flight_is_lost(path: Path) -> None:
    ends, publisher_ends = Ends(), Ends()
    with OwnerProcess(path) as owner:
        opened = await open_session(path, ends)
        sender = Sender(await opened.open_publisher(on_closed=publisher_ends))
        os.kill(owner.pid, 19)  # SIGSTOP: what is sent now stays without an answer.
        sender.send("", "q", *numbered(3))
        owner.kill()
    assert await sender.settled() == [Outcome.LOST] * 3
    await ends.announced()
    await publisher_ends.announced()
    assert not opened.is_open
    assert not sender.publisher.is_open


async def test_what_a_killed_client_held_returns(path: Path, server: EmbeddedServer) -> None:
    ours = await open_session(path)
    await fill(ours, "q", numbered(3))
    process = await asyncio.create_subprocess_exec(
        "python", "-c", _HOLDER, str(path), stdout=asyncio.subprocess.PIPE, env={"PATH": _python_folder()}
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"holding\n"
    assert await ours.queue_depth("q") == 1
    process.kill()
    await process.wait()
    inbox = Inbox()
    await consume(ours, "q", inbox)
    await inbox.receive(3)
    assert inbox.bodies == bodies(numbered(3))
    await ours.close()


# -- what it bears ---------------------------------------------------------------------------------

DEEP = b"\x91\x95\x01\x01\x01\xa1a" + b"\x91" * 100_000 + b"\xc0"
"""A greeting with one field more, as a later version might have."""
DEEP_MESSAGE = b"\x98\xc4\x01b" + b"\xc0" * 6 + b"\x81\xa1a" + b"\x91" * 100_000 + b"\xc0"


@pytest.mark.parametrize(
    "noise",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        (MAX_FRAME_BYTES + 1).to_bytes(4, "big") + b"x",
        b"\x00\x00\x00\x03abc",
        encode_frame([[99, 1, 2]]),
        encode_frame([[6, 1, "q"]]),
        encode_frame([[1, 1, 1, "name"], [7, 2, 1], [12, 1, 1, "", "q", b"no message"]]),
        encode_frame([[1, 1, 1, "name"], [7, 2, 1], [12, 1, 1, "", "q", DEEP_MESSAGE]]),
        len(DEEP).to_bytes(4, "big") + DEEP,
        b"\x00\x00\x00\x07\x91\x94\x01\x01\x01\xa1\xff",
    ],
    ids=["http", "huge", "garbage", "unknown", "impolite", "no-message", "deep-message", "deep", "no-text"],
)
async def test_a_peer_that_talks_nonsense_is_dropped_and_harms_nobody(
    path: Path, server: EmbeddedServer, noise: bytes
) -> None:
    ours = await open_session(path)
    reader, writer = await asyncio.open_unix_connection(path.with_name("broker.db.sock"))
    reported: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))
    writer.write(noise)
    await asyncio.wait_for(reader.read(), 10)
    writer.close()
    assert not reported, "it was not refused, but fallen over"
    await fill(ours, "q", numbered(1))
    assert await ours.queue_depth("q") == 1
    await ours.close()


async def test_another_version_of_the_protocol_is_a_matter_of_configuration(
    path: Path, server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "PROTOCOL_VERSION", 99)
    ends = Ends()
    with pytest.raises(ConfigurationError, match="version 99: run the same dalsegno in both"):
        await EmbeddedBroker(path).connect(on_closed=ends)
    assert not ends.reasons


async def test_an_owner_that_does_not_answer_is_unavailable(
    path: Path, server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = await open_session(path)
    with OwnerProcess(path.with_name("other.db")) as owner:
        frozen = await open_session(path.with_name("other.db"))
        os.kill(owner.pid, 19)
        with pytest.raises(BrokerUnavailableError, match=r"did not answer within 0\.05 s"):
            await frozen.request(lambda n: session.QueueDepth(n, "q"), timeout=0.05)  # type: ignore[attr-defined]
        owner.kill()
    await opened.close()


async def test_a_message_that_no_broker_carries_is_refused_and_the_rest_goes_on(
    path: Path, server: EmbeddedServer
) -> None:
    opened = await open_session(path)
    sender = Sender(await opened.open_publisher(on_closed=Ends()))
    strange = Message(body=b"", headers={"list": [1]})  # type: ignore[dict-item]
    endless = Message(body=b"", timestamp=2**64)
    sender.send("", "q", strange, endless, *numbered(1))
    assert await sender.settled() == [Outcome.IMPOSSIBLE, Outcome.IMPOSSIBLE, Outcome.CONFIRMED]
    assert sender.publisher.is_open
    await opened.close()


async def test_a_full_disk_refuses_publishes_and_keeps_the_rest_until_there_is_room(path: Path) -> None:
    async with EmbeddedServer(path) as server:
        opened = await open_session(path)
        await opened.declare(Topology(queues=[MORTAL, Queue("dead")]))
        await fill(opened, "q", numbered(3))
        await fill(opened, "mortal", numbered(1))
        inbox, doomed = Inbox(), Inbox()
        consumer = await consume(opened, "q", inbox, prefetch=2)
        executioner = await consume(opened, "mortal", doomed)
        await inbox.receive(2)
        await doomed.receive(1)
        sender = Sender(await opened.open_publisher(on_closed=Ends()))
        all_is_sent = threading.Event()  # So that it makes one group, which does not fit.
        server.run_on_file(lambda store: _limit_pages(store, 30))
        server.run_on_file(lambda _: all_is_sent.wait(20))
        executioner.dead_letter(1)
        consumer.acknowledge(1)
        sender.send("", "q", *(Message(body=bytes(50_000), message_id=f"big-{n}") for n in range(10)))
        all_is_sent.set()
        assert set(await sender.settled()) == {Outcome.REFUSED}
        assert await opened.queue_depth("dead") == 0
        server.run_on_file(lambda store: _limit_pages(store, 1_000_000))
        sender.send("", "q", *numbered(1, start=3))
        assert (await sender.settled())[-1] is Outcome.CONFIRMED
        while await opened.queue_depth("dead") != 1:
            pass
        await opened.close()
    async with EmbeddedServer(path):
        later = await open_session(path)
        again = Inbox()
        await consume(later, "q", again)
        await again.receive(3)
        assert again.bodies == bodies(numbered(3, start=1))
        assert await later.queue_depth("dead") == 1
        assert await later.queue_depth("mortal") == 0
        await later.close()


async def test_a_declaration_is_answered_when_it_is_on_disk(path: Path, server: EmbeddedServer) -> None:
    opened = await open_session(path)
    disk_may_go_on = threading.Event()
    server.run_on_file(lambda _: disk_may_go_on.wait(20))
    declaring = asyncio.create_task(opened.declare(Topology(queues=[Queue("new")])))
    while await opened.queue_depth("new") is None:
        pass
    assert await opened.queue_depth("q") == 0  # Asked later and answered sooner.
    assert not declaring.done()
    disk_may_go_on.set()
    await declaring
    await opened.close()


@pytest.mark.parametrize(("before", "after"), [(0.005, SWITCH_SECONDS), (0.0001, 0.0001)])
async def test_the_writer_need_not_wait_long_for_a_busy_loop(path: Path, before: float, after: float) -> None:
    original = sys.getswitchinterval()
    try:
        sys.setswitchinterval(before)
        async with EmbeddedServer(path):
            assert sys.getswitchinterval() == pytest.approx(after)
    finally:
        sys.setswitchinterval(original)


async def test_a_bug_in_the_writer_ends_every_session_and_is_not_hidden(path: Path) -> None:
    ends = Ends()
    async with EmbeddedServer(path) as server:
        opened = await open_session(path, ends)
        sender = Sender(await opened.open_publisher(on_closed=Ends()))

        def bug(store: QueueStore) -> None:
            raise LookupError("a bug")

        server.run_on_file(bug)
        sender.send("", "q", *numbered(1))
        assert "internal error" in await ends.announced()
        assert await sender.settled() == [Outcome.LOST]
        with pytest.raises(BrokerUnavailableError):
            await open_session(path)
    async with EmbeddedServer(path):
        await (await open_session(path)).close()


async def test_other_processes_are_not_read_while_too_much_waits_for_the_disk(
    path: Path, server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(switchboard, "BACKLOG_BYTES_HIGH", 10_000)
    monkeypatch.setattr(switchboard, "BACKLOG_BYTES_LOW", 5_000)
    pauses = 0
    pause = SocketLink.pause

    def counted(link: SocketLink[Operation, Operation]) -> None:
        nonlocal pauses
        pauses += 1
        pause(link)

    monkeypatch.setattr(SocketLink, "pause", counted)
    opened = await open_by_socket(path, monkeypatch)
    sender = Sender(await opened.open_publisher(on_closed=Ends()))
    for wave in range(3):
        for n in range(200):
            sender.send("", "q", Message(body=bytes(5_000), message_id=f"{wave}-{n}"))
        assert set(await sender.settled()) == {Outcome.CONFIRMED}
        assert pauses > wave
    await opened.close()


async def test_a_message_larger_than_a_socket_takes_at_once_passes_both_ways(path: Path) -> None:
    with OwnerProcess(path):
        opened = await open_session(path)
        body = bytes(range(256)) * 80_000
        await fill(opened, "q", [Message(body=body), *numbered(1)])
        inbox = Inbox()
        await consume(opened, "q", inbox)
        await inbox.receive(2)
        assert inbox.bodies == [body, b"0"]
        await opened.close()


async def test_a_message_that_is_too_large_is_refused(
    path: Path, server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dalsegno.broker.embedded.channels.MAX_PAYLOAD_BYTES", 1_000)
    opened = await open_session(path)
    sender = Sender(await opened.open_publisher(on_closed=Ends()))
    sender.send("", "q", Message(body=bytes(1_001)), *numbered(1))
    assert await sender.settled() == [Outcome.IMPOSSIBLE, Outcome.CONFIRMED]
    await opened.close()


def _limit_pages(store: QueueStore, pages: int) -> None:
    store._connection.execute(f"PRAGMA max_page_count = {pages}")


def _python_folder() -> str:
    return str(Path(sys.executable).parent)


_HOLDER = """
import asyncio, sys
from dalsegno.broker.embedded import EmbeddedBroker

async def main():
    session = await EmbeddedBroker(sys.argv[1]).connect(on_closed=print)
    two = asyncio.Event()
    def hold(delivery):
        if delivery.tag == 2:
            two.set()
    await session.open_consumer("q", prefetch=2, on_delivery=hold, on_closed=print)
    await two.wait()
    print("holding", flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""
