"""What a worker and a process of its own tell each other: MessagePack, each with its length before it."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from dalsegno.activity import ActivityCancellationDetails
from dalsegno.broker.protocol.messages import ActivityTask
from dalsegno.failure import Failure
from dalsegno.payload import Payload

LENGTH_BYTES = 4

# --- to the process --------------------------------------------------------------------------------------


class JobGiven(Struct, frozen=True, tag=True):
    """`number` tells jobs apart, also those of one attempt."""

    number: int
    task: ActivityTask
    worker_ends: bool


class JobStopped(Struct, frozen=True, tag=True):
    """The code is asked to stop."""

    number: int
    reason: str
    cancel_requested: bool = False
    timed_out: bool = False
    worker_shutdown: bool = False

    @property
    def details(self) -> ActivityCancellationDetails:
        return ActivityCancellationDetails(
            cancel_requested=self.cancel_requested,
            timed_out=self.timed_out,
            worker_shutdown=self.worker_shutdown,
        )


class BeatAgain(Struct, frozen=True, tag=True):
    """The next heartbeat may come. Until then the process keeps the newest."""

    number: int


class WorkerEnds(Struct, frozen=True, tag=True):
    """The worker begins nothing any more."""


ToChild = JobGiven | JobStopped | BeatAgain | WorkerEnds

# --- from it ---------------------------------------------------------------------------------------------


class ChildReady(Struct, frozen=True, tag=True):
    """It has imported what it needs."""


class ChildUnable(Struct, frozen=True, tag=True):
    """It could not, and ends."""

    why: str


class JobBegun(Struct, frozen=True, tag=True):
    """From here on the process may die of it."""

    number: int


class JobBeat(Struct, frozen=True, tag=True):
    number: int
    details: Payload | None


class JobReturned(Struct, frozen=True, tag=True):
    number: int
    result: Payload


class JobRaised(Struct, frozen=True, tag=True):
    number: int
    failure: Failure


class JobCanceled(Struct, frozen=True, tag=True):
    """Its code ended as cancelled."""

    number: int
    message: str


class JobDetached(Struct, frozen=True, tag=True):
    """Its code is through, and somebody else says how the activity ends."""

    number: int


class LineSaid(Struct, frozen=True, tag=True):
    """A line for the worker's log."""

    logger: str
    level: str
    event: str
    values: dict[str, str | int | float | bool | None]


OfJob = JobBegun | JobBeat | JobReturned | JobRaised | JobCanceled | JobDetached
FromChild = ChildReady | ChildUnable | OfJob | LineSaid


def framed(message: ToChild | FromChild) -> bytes:
    return with_length(msgspec.msgpack.encode(message))


def with_length(body: bytes) -> bytes:
    return len(body).to_bytes(LENGTH_BYTES) + body


to_child: msgspec.msgpack.Decoder[ToChild] = msgspec.msgpack.Decoder(ToChild)
from_child: msgspec.msgpack.Decoder[FromChild] = msgspec.msgpack.Decoder(FromChild)
