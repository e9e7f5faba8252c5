"""Exchanges that the broker does not let us publish to, for as long as that lasts.

A missing exchange, a missing right, or trouble of the broker's own close the channel, and no message is to
blame. What is for such an exchange waits behind its barrier, and now and then one message tries; all else goes
on.
"""

from __future__ import annotations

from dalsegno._log import get_logger
from dalsegno.backoff import doubled

log = get_logger()

TRY_AGAIN_SECONDS = (0.2, 5.0)
"""The first pause and the longest before one message tries; doubles in between. Each try costs a channel."""

DEFAULT_EXCHANGE = "amq.default"
"""The name by which rights to the exchange "" are granted."""


class Barriers:
    """`closed` says how often each closed exchange was tried in vain."""

    def __init__(self) -> None:
        self.closed: dict[str, int] = {}

    def close(self, exchange: str, reason: str) -> bool:
        """The broker refuses it; whether that is news. Said once, however often it is tried."""
        tries = self.closed.get(exchange)
        self.closed[exchange] = 0 if tries is None else tries + 1
        if tries is None:
            log.error(
                "publishing_refused",
                exchange=exchange or DEFAULT_EXCHANGE,
                reason=reason,
                what_to_do="see that the host's user may write to this exchange, and that it exists; "
                "what is for it waits, and leaves by itself as soon as the broker lets it",
            )
        return tries is None

    def open(self, exchange: str) -> None:
        """The broker takes what is for it (again)."""
        if self.closed.pop(exchange, None) is not None:
            log.info("publishing_resumed", exchange=exchange or DEFAULT_EXCHANGE)

    def pause(self, exchange: str) -> float:
        """Seconds until one message is to try."""
        return doubled(*TRY_AGAIN_SECONDS, self.closed[exchange])
