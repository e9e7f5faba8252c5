"""Where a RabbitMQ is: an AMQP URL, checked before anything connects."""

from __future__ import annotations

from dataclasses import dataclass

from yarl import URL

from dalsegno.broker.redaction import redact
from dalsegno.errors import ConfigurationError

SCHEMES = ("amqp", "amqps")
DEFAULT_PORTS = {"amqp": 5672, "amqps": 5671}

EXAMPLE = "amqp://user:password@host:5672/virtual-host"

HEARTBEAT_SECONDS = 10
"""The library's default of 60 s lets a dead link hold its messages for minutes."""

TLS_OPTIONS = frozenset({"cafile", "capath", "cadata", "certfile", "keyfile", "no_verify_ssl"})
OPTIONS = frozenset({"auth", "heartbeat"}) | TLS_OPTIONS
"""Query parameters of the URL that the library understands and that make sense here."""


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """A checked URL. `str()` shows host and port, never the password."""

    url: URL
    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def user(self) -> str:
        return self.url.user or "guest"

    @property
    def virtual_host(self) -> str:
        return self.url.path[1:].replace("%2F", "/") or "/"


def parse_address(text: str, *, allow_unverified_tls: bool) -> BrokerAddress:
    """Check an AMQP URL; ConfigurationError says what is wrong with it, in one sentence."""
    try:
        url = URL(text)
        host, port = url.host, url.port
    except ValueError as error:
        raise ConfigurationError(f"{redact(text)!r} is not a URL: write {EXAMPLE}") from error
    if url.scheme not in SCHEMES or not host:
        raise ConfigurationError(f"{redact(text)!r} does not name a RabbitMQ: write {EXAMPLE}")
    unknown = sorted(set(url.query) - OPTIONS)
    if unknown:
        known = ", ".join(sorted(OPTIONS))
        raise ConfigurationError(f"the broker URL has an unknown parameter {unknown[0]!r}; known are {known}")
    if url.scheme == "amqp" and TLS_OPTIONS & set(url.query):
        raise ConfigurationError("the broker URL has TLS parameters, so it must begin with amqps://")
    if url.query.get("no_verify_ssl", "0") != "0" and not allow_unverified_tls:
        raise ConfigurationError(
            "the broker URL says no_verify_ssl: give the certificate authority with cafile instead"
        )
    if "heartbeat" not in url.query:
        url = url.update_query(heartbeat=HEARTBEAT_SECONDS)
    return BrokerAddress(url, host, port or DEFAULT_PORTS[url.scheme])
