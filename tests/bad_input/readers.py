"""All who read messages from outside, without the broker between: each says why it refuses a message.

A reader raises InvalidMessageError, or UnsupportedMessageError. Whatever else it raises is a defect of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

from dalsegno.actors.supervisor.deliveries.intake import Intake, Rejected
from dalsegno.broker.port import Broker, Delivery, Message
from dalsegno.broker.protocol.codec import UnsupportedMessageError, decode, reply_address
from dalsegno.client.links import Links
from dalsegno.client.timings import ClientTimings
from dalsegno.errors import InvalidMessageError
from dalsegno.workers.acknowledgements import Acknowledgements
from dalsegno.workers.bench import Bench
from dalsegno.workers.dispatcher import REASON_HEADER, TaskDispatcher
from dalsegno.workers.outbox import Letter, WorkerOutbox
from dalsegno.workers.places import CodePlaces
from tests.partition_ids import FIRST

Read = Callable[[Message], None]


class _Nowhere:
    """Stands for a loop, a broker, a bench: nothing of them is needed to refuse a message."""

    def call_soon(self, callback: Callable[[], None]) -> None:
        callback()

    @property
    def loop(self) -> _Nowhere:
        return self

    @property
    def clock(self) -> _Nowhere:
        return self

    @property
    def timing(self) -> _Nowhere:
        return self


NOWHERE = cast(Any, _Nowhere())


def partition(message: Message) -> None:
    """A host, of a message in a partition's queue."""
    taken = _INTAKE.take(Delivery(message, 1, redelivered=False, exchange="", routing_key="q"))
    assert isinstance(taken, Rejected), f"it was taken for {type(taken).__name__}"
    raise (UnsupportedMessageError if taken.code == "unsupported" else InvalidMessageError)(taken.reason)


_INTAKE = Intake(FIRST, 16)


class _DeadLetters:
    def __init__(self) -> None:
        self.letters: list[Letter] = []

    def post(self, letter: Letter) -> None:
        self.letters.append(letter)


def worker(message: Message) -> None:
    """A worker, of a message in its task queue. Its dead letters do not say whether it is unsupported."""
    dead = _DeadLetters()
    dispatcher = TaskDispatcher(
        cast(Bench, NOWHERE),
        cast(WorkerOutbox, dead),
        cast(CodePlaces, NOWHERE),
        slots=1,
        attempts_max=1,
        unanswered_max=1,
        bytes_max=2**20,
    )
    dispatcher.on_task(Delivery(message, 1, False, "", "q"), Acknowledgements(NOWHERE))
    (letter,) = dead.letters
    assert (letter.message.body, letter.message.type) == (message.body, message.type)
    raise InvalidMessageError(str(letter.message.headers[REASON_HEADER]))


def client(message: Message) -> None:
    """A client, of a message in its reply queue that comes for somebody who waits."""
    links = Links(cast(Broker, NOWHERE), ClientTimings())
    box = links.open_box()
    links._boxes[message.correlation_id or ""] = box
    links._deliver(message)
    assert box.take() is None, "it was taken for an answer"
    raise AssertionError("it was dropped, although somebody waits for it")


def answer(message: Message) -> None:
    """Whoever answers. It must find an address that is fit for use, or none, whatever the message is."""
    address = reply_address(message)
    if address is not None:
        assert not address.queue.startswith("dalsegno.") or address.queue.startswith("dalsegno.reply.")
        assert 0 < len(address.correlation_id.encode()) <= 255
    decode(message)


READERS: Mapping[str, Read] = {
    "decode": lambda message: void(decode(message)),
    "partition": partition,
    "worker": worker,
    "client": client,
    "answer": answer,
}


def glutton(message: Message) -> None:
    """A planted defect: it would take any amount of memory."""
    bytearray(128 * 1024 * 1024)
    decode(message)


def parrot(message: Message) -> None:
    """A planted defect: it says what it was told."""
    raise InvalidMessageError(f"this is no message: {message.body[:60]!r}")


PLANTED: Mapping[str, Read] = {"glutton": glutton, "parrot": parrot}


def void(_: object) -> None:
    """What was decoded is of no interest."""
