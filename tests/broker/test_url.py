"""One URL chooses the broker; a wrong one is answered with what to write, and keeps its password."""

from __future__ import annotations

from pathlib import Path

import pytest

from dalsegno.broker.embedded import EmbeddedBroker
from dalsegno.broker.rabbitmq import RabbitMQBroker
from dalsegno.broker.redaction import redact
from dalsegno.broker.url import embedded_path, open_broker
from dalsegno.errors import ConfigurationError


@pytest.mark.parametrize(
    "url",
    [
        "amqp://guest:guest@localhost",
        "amqp://guest:guest@localhost:5672/%2F",
        "amqps://user:secret@broker.example/shop?cafile=/etc/ca.pem&heartbeat=5",
        "AMQP://localhost",
    ],
)
async def test_amqp_means_rabbitmq(url: str) -> None:
    assert isinstance(open_broker(url), RabbitMQBroker)


async def test_embedded_means_the_embedded_broker(tmp_path: Path) -> None:
    assert isinstance(open_broker(f"embedded://{tmp_path}/broker.db"), EmbeddedBroker)


@pytest.mark.parametrize(
    ("rest", "path"),
    [
        ("///var/lib/dalsegno/broker.db", "/var/lib/dalsegno/broker.db"),
        (".dalsegno/broker.db", ".dalsegno/broker.db"),
        ("/var/broker.db", "/var/broker.db"),
    ],
)
def test_an_embedded_path_is_absolute_after_three_slashes(rest: str, path: str) -> None:
    assert embedded_path(rest) == path


@pytest.mark.parametrize(
    ("url", "advice"),
    [
        ("", "must begin with amqp://"),
        ("localhost:5672", "must begin with amqp://"),
        ("redis://:hunter2@localhost", "must begin with amqp://"),
        ("http://user:hunter2@localhost:15672", "must begin with amqp://"),
        ("amqp://", "amqp://user:password@host"),
        ("amqp:localhost", "amqp://user:password@host"),
        ("amqp://user:hunter2@localhost:port", "amqp://user:password@host"),
        ("amqp://user:hunter2@localhost:99999", "amqp://user:password@host"),
        ("amqp://user:hunter2@localhost?heartbeet=5", "unknown parameter 'heartbeet'"),
        ("amqp://user:hunter2@localhost?cafile=/etc/ca.pem", "must begin with amqps://"),
        ("amqps://user:hunter2@localhost?no_verify_ssl=1", "cafile"),
        ("embedded:", "names no file"),
        ("embedded://", "names no file"),
        ("embedded:///var/lib/", "names no file"),
        ("embedded://host/broker.db", "names a host"),
    ],
)
async def test_a_wrong_url_is_refused_with_advice(url: str, advice: str) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        open_broker(url)
    assert advice in str(refusal.value)
    assert "hunter2" not in str(refusal.value)
    assert "\n" not in str(refusal.value)


async def test_unverified_tls_is_for_those_who_ask_for_it() -> None:
    broker = open_broker("amqps://localhost?no_verify_ssl=1", allow_unverified_tls=True)
    assert isinstance(broker, RabbitMQBroker)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("amqp://user:hunter2@host:5672/vhost", "amqp://user:***@host:5672/vhost"),
        ("amqp://user:hun@ter:2/@host/vhost", "amqp://user:***@host/vhost"),
        ("postgresql://:hunter2@host/db", "postgresql://:***@host/db"),
        ("postgresql://host/db?user=me&password=hunter2", "postgresql://host/db?user=me&password=***"),
        ("postgresql://host/db?sslpassword=hunter2&x=1", "postgresql://host/db?sslpassword=***&x=1"),
        ("amqp://host/vhost", "amqp://host/vhost"),
        ("embedded:///path", "embedded:///path"),
        ("nonsense", "nonsense"),
    ],
)
def test_a_redacted_url_shows_everything_but_the_password(url: str, shown: str) -> None:
    assert redact(url) == shown
