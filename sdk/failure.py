"""A failure as data: how errors of user code travel in messages and rest in the journal."""

from __future__ import annotations

from typing import Literal

from dalsegno.payload import Payload
from msgspec import Struct

FailureKind = Literal["application", "activity", "canceled", "timed_out", "terminated", "worker_lost"]


class Failure(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`type` is what retry policies match; `stack` is for people; which fields matter depends on `kind`."""

    kind: FailureKind = "application"
    message: str = ""
    type: str = ""
    non_retryable: bool = False
    details: tuple[Payload, ...] = ()
    stack: str = ""
    cause: Failure | None = None
    timeout_type: str = ""
    activity_type: str = ""
    activity_id: str = ""
    attempt: int = 0
