"""One URL names the broker and, by its scheme, the adapter.

amqp://user:password@host:5672/virtual-host      RabbitMQ
amqps://user:password@host:5671/virtual-host     RabbitMQ over TLS (cafile, certfile, keyfile in the query)
embedded:///absolute/path/of/broker.db           the embedded broker's file
embedded:relative/path/of/broker.db
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dalsegno.errors import ConfigurationError

if TYPE_CHECKING:
    from dalsegno.broker.port import Broker
from dalsegno.broker.redaction import redact


def open_broker(url: str, *, allow_unverified_tls: bool = False, held_bytes: int | None = None) -> Broker:
    """The broker behind `url`; nothing connects yet. `held_bytes` bounds what the consumers of a session hold
    unacknowledged, all together.

    `allow_unverified_tls` is for development: without it, no_verify_ssl in the URL is refused. Raises
    ConfigurationError for what a person must mend, and never shows the password.
    """
    scheme, colon, rest = url.partition(":")
    match scheme.lower() if colon else "":
        case "amqp" | "amqps":
            # Here, so that a process on the embedded broker does not load the AMQP library, and the reverse.
            from dalsegno.broker.rabbitmq import RabbitMQBroker

            return RabbitMQBroker(url, allow_unverified_tls=allow_unverified_tls, held_bytes=held_bytes)
        case "embedded":
            from dalsegno.broker.embedded import EmbeddedBroker

            return EmbeddedBroker(embedded_path(rest), held_bytes=held_bytes)
        case _:
            raise ConfigurationError(
                f"the broker URL {redact(url)!r} must begin with amqp://, amqps:// or embedded:"
            )


def embedded_path(rest: str) -> str:
    """The file named behind `embedded:`, absolute after three slashes, else relative to the working folder."""
    if rest.startswith("//") and not rest.startswith("///") and rest != "//":
        raise ConfigurationError(
            f"the broker URL 'embedded:{rest}' names a host; write embedded:///absolute/path or embedded:path"
        )
    path = rest.removeprefix("//")
    if not path or path.endswith("/"):
        raise ConfigurationError("the broker URL names no file; write embedded:///absolute/path/of/broker.db")
    return path
