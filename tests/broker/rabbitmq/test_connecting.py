"""What a person reads when RabbitMQ cannot be used, and what only time mends."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aio_pika
import pytest
import structlog
from yarl import URL

from dalsegno.broker.port import Queue, Topology
from dalsegno.broker.rabbitmq import RabbitMQBroker, Timings
from dalsegno.broker.rabbitmq.tap import Tap, TapFactory
from dalsegno.errors import BrokerUnavailableError, ConfigurationError, DalsegnoError
from tests.broker.conftest import Connect
from tests.broker.witness import Ends, Inbox, consume, fill, numbered
from tests.servers import RabbitMQServer

SECRET = "hunter2"

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def impostor(talk: Talk) -> AsyncIterator[str]:
    """The URL of a TCP server that is no RabbitMQ."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await talk(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        yield f"amqp://user:{SECRET}@127.0.0.1:{port}/"


async def say_nothing(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read()


async def hang_up(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read(1)


async def speak_http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(8)
    writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    await writer.drain()


async def speak_another_amqp(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(8)
    writer.write(b"AMQP\x00\x01\x00\x00")
    await writer.drain()


async def refusal(url: str, timings: Timings | None = None) -> DalsegnoError:
    with pytest.raises(DalsegnoError) as refused:
        await RabbitMQBroker(url, timings=timings).connect(on_closed=Ends())
    assert SECRET not in str(refused.value)
    assert "\n" not in str(refused.value)
    return refused.value


async def test_a_closed_port_may_open_later(closed_port: int) -> None:
    error = await refusal(f"amqp://user:{SECRET}@127.0.0.1:{closed_port}/")
    assert isinstance(error, BrokerUnavailableError)
    assert f"cannot reach RabbitMQ at 127.0.0.1:{closed_port}" in str(error)


async def test_a_host_without_an_address_may_get_one() -> None:
    error = await refusal(f"amqp://user:{SECRET}@no-such-host.invalid/")
    assert isinstance(error, BrokerUnavailableError)
    assert "no-such-host.invalid:5672" in str(error)


async def test_a_server_that_says_nothing_is_given_up() -> None:
    async with impostor(say_nothing) as url:
        error = await refusal(url, Timings(connect=0.3))
    assert isinstance(error, BrokerUnavailableError)
    assert "no answer within 0.3 s" in str(error)


async def test_a_server_that_hangs_up_may_be_starting() -> None:
    async with impostor(hang_up) as url:
        assert isinstance(await refusal(url), BrokerUnavailableError)


@pytest.mark.parametrize("talk", [speak_http, speak_another_amqp])
async def test_a_server_of_another_kind_is_the_wrong_address(talk: Talk) -> None:
    async with impostor(talk) as url:
        error = await refusal(url)
    assert isinstance(error, ConfigurationError)
    assert "does not speak AMQP 0-9-1" in str(error)


@pytest.mark.rabbitmq
@pytest.mark.parametrize("user", ["guest", "nobody"])
async def test_a_wrong_user_or_password_is_named_without_the_password(rabbitmq_url: str, user: str) -> None:
    error = await refusal(str(URL(rabbitmq_url).with_user(user).with_password(SECRET)))
    assert isinstance(error, ConfigurationError)
    assert f"refused user {user!r}" in str(error)


@pytest.mark.rabbitmq
async def test_a_missing_virtual_host_is_named(rabbitmq_url: str) -> None:
    error = await refusal(str(URL(rabbitmq_url).with_path("/no-such-vhost")))
    assert isinstance(error, ConfigurationError)
    assert "virtual host 'no-such-vhost'" in str(error)


@pytest.mark.rabbitmq
async def test_a_virtual_host_without_rights_is_named(rabbitmq_server: RabbitMQServer) -> None:
    with rabbitmq_server.virtual_host() as url:
        rabbitmq_server.evaluate('rabbit_auth_backend_internal:add_user(<<"poor">>, <<"hunter2">>, <<"t">>)')
        error = await refusal(str(URL(url).with_user("poor").with_password(SECRET)))
        rabbitmq_server.evaluate('rabbit_auth_backend_internal:delete_user(<<"poor">>, <<"t">>)')
    assert isinstance(error, ConfigurationError)
    assert "user 'poor'" in str(error)


@pytest.mark.rabbitmq
async def test_a_missing_right_is_named(rabbitmq_server: RabbitMQServer, connect_to: Connect) -> None:
    with rabbitmq_server.virtual_host() as url:
        name = URL(url).path[1:]
        owner = await connect_to(url)
        rabbitmq_server.evaluate('rabbit_auth_backend_internal:add_user(<<"mute">>, <<"hunter2">>, <<"t">>)')
        rabbitmq_server.evaluate(
            f'rabbit_auth_backend_internal:set_permissions(<<"mute">>, <<"{name}">>, '
            '<<"">>, <<"">>, <<"">>, <<"t">>)'
        )
        session = await connect_to(str(URL(url).with_user("mute").with_password(SECRET)))
        await owner.declare(Topology(queues=[Queue("orders")]))
        with pytest.raises(ConfigurationError, match=r"queue 'orders'.*grant"):
            await session.declare(Topology(queues=[Queue("orders")]))
        with pytest.raises(ConfigurationError, match=r"queue 'orders'.*grant"):
            await consume(session, "orders", Inbox())
        assert session.is_open
        rabbitmq_server.evaluate('rabbit_auth_backend_internal:delete_user(<<"mute">>, <<"t">>)')


async def test_a_certificate_of_an_unknown_authority_is_refused(tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*await self_signed(tmp_path))
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=context)
    async with server:
        port = server.sockets[0].getsockname()[1]
        error = await refusal(f"amqps://user:{SECRET}@127.0.0.1:{port}/")
    assert isinstance(error, ConfigurationError)
    assert "cafile" in str(error)


async def self_signed(folder: Path) -> tuple[str, str]:
    certificate, key = str(folder / "certificate.pem"), str(folder / "key.pem")
    making = await asyncio.create_subprocess_exec(
        *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost"),
        *("-keyout", key, "-out", certificate),
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert await making.wait() == 0
    return certificate, key


@pytest.mark.rabbitmq
async def test_a_library_that_works_otherwise_costs_speed_and_one_warning(
    rabbitmq_url: str, connect_to: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Tap, "has_seen", lambda *_: False)
    with structlog.testing.capture_logs() as logs:
        session = await connect_to(rabbitmq_url)
    assert [entry["event"] for entry in logs] == ["broker.slow_path"]
    await session.declare(Topology(queues=[Queue("orders")]))
    await fill(session, "orders", numbered(3))
    inbox = Inbox()
    await consume(session, "orders", inbox)
    await inbox.receive(3)


async def test_a_library_that_does_not_take_our_transport_is_named_with_what_to_do(
    rabbitmq_url: str, monkeypatch: pytest.MonkeyPatch, no_loose_ends: None
) -> None:
    class Deaf(aio_pika.Connection):
        """As a later version might be."""

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.tap_factory = TapFactory()

    monkeypatch.setattr("dalsegno.broker.rabbitmq.link._TappedConnection", Deaf)
    with pytest.raises(ConfigurationError, match=r"aio-pika [0-9.]+, aiormq [0-9.]+.*install the versions"):
        await RabbitMQBroker(rabbitmq_url).connect(on_closed=Ends())
