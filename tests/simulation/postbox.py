"""How workers and clients send: published until confirmed, under the same message ID."""

from __future__ import annotations

from collections.abc import Callable

from dalsegno.broker.port import Message, Outcome, Outgoing
from tests.simulation.broker_model import BrokerModel
from tests.simulation.connection import Connection
from tests.simulation.publishers import ModelPublisher
from tests.simulation.scheduler import SECOND, Process

RETRY = SECOND // 5
RECONNECT = SECOND // 2


class Letter:
    """`confirmed` is called once, when it is stored by the broker (or nobody wants it)."""

    def __init__(
        self, exchange: str, routing_key: str, message: Message, confirmed: Callable[[], None]
    ) -> None:
        self.exchange = exchange
        self.routing_key = routing_key
        self.message = message
        self.confirmed = confirmed


class Postbox:
    """One process's session. `on_session` is called with each new connection, before anything is sent on it."""

    def __init__(self, broker: BrokerModel, process: Process, on_session: Callable[[Connection], None]) -> None:
        self.connection: Connection | None = None
        self._broker = broker
        self._process = process
        self._on_session = on_session
        self._publisher: ModelPublisher | None = None
        self._letters: dict[int, Letter] = {}
        self._number = 0

    def connect(self) -> None:
        self._broker.connect(
            self._process,
            opened=self._connected,
            refused=lambda: self._process.after(RECONNECT, self.connect),
            on_closed=self._lost,
        )

    def _connected(self, connection: Connection) -> None:
        self.connection = connection
        self._on_session(connection)
        self._open_publisher(connection)

    def _open_publisher(self, connection: Connection) -> None:
        def opened(publisher: ModelPublisher) -> None:
            if self.connection is connection:
                self._publisher = publisher
                for number in list(self._letters):
                    self._publish(number)

        self._broker.open_publisher(connection, opened=opened, on_closed=lambda _: self._reopen(connection))

    def _reopen(self, connection: Connection) -> None:
        self._publisher = None
        self._process.after(RETRY, lambda: self._open_publisher(connection))

    def _lost(self, reason: str) -> None:
        self.connection = None
        self._publisher = None
        self._process.after(RECONNECT, self.connect)

    def send(self, letter: Letter) -> None:
        self._number += 1
        self._letters[self._number] = letter
        self._publish(self._number)

    def _publish(self, number: int) -> None:
        letter = self._letters.get(number)
        publisher = self._publisher
        if letter is None or publisher is None:
            return

        def settled(outcome: Outcome) -> None:
            if outcome is Outcome.CONFIRMED or (outcome is Outcome.RETURNED and letter.exchange == ""):
                if self._letters.pop(number, None) is not None:
                    letter.confirmed()
            elif outcome is not Outcome.LOST:
                self._process.after(RETRY, lambda: self._publish(number))

        publisher.publish([Outgoing(letter.exchange, letter.routing_key, letter.message, settled)])

    @property
    def is_empty(self) -> bool:
        return not self._letters

    @property
    def messages(self) -> list[Message]:
        return [letter.message for letter in self._letters.values()]
