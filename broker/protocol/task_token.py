"""What names one attempt to whoever completes it outside of its worker: opaque bytes, for those who use this
client. Others have the fields of the task that are in it."""

from __future__ import annotations

import msgspec

from dalsegno.broker.protocol.fields import Name, Token


class TaskToken(msgspec.Struct, frozen=True, array_like=True):
    workflow_id: Name
    run_id: Name
    activity_id: Name
    token: Token


def pack(token: TaskToken) -> bytes:
    return msgspec.msgpack.encode(token)


def unpack(data: bytes) -> TaskToken:
    """Raises ValueError for bytes that are no task token."""
    try:
        return msgspec.msgpack.decode(data, type=TaskToken)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise ValueError("That is no task token: give the bytes of activity.info().task_token.") from None
