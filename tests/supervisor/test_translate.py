"""What workers say becomes commands, and what they are told messages, in the content type that they speak."""

from __future__ import annotations

import pytest

from dalsegno.actors.supervisor.translate import to_command, to_message
from dalsegno.actors.workflow_actor.commands import AttemptHeartbeat, AttemptStarted
from dalsegno.actors.workflow_actor.effects import CancelTaskEffect, Effect, GrantEffect
from dalsegno.broker.protocol.codec import CBOR, JSON, decode, encode
from dalsegno.broker.protocol.messages import (
    ActivityCancel,
    ActivityGrant,
    ActivityHeartbeat,
    ActivityStarted,
    WireMessage,
)

ATTEMPT = {"workflow_id": "w", "run_id": "run-1", "activity_id": "1", "attempt": 1, "token": b"t" * 16}
WORDS: list[WireMessage] = [
    ActivityStarted(**ATTEMPT, worker="mine"),  # type: ignore[arg-type]
    ActivityHeartbeat(**ATTEMPT, worker="mine"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize("content_type", [CBOR, JSON])
@pytest.mark.parametrize("word", WORDS)
def test_grants_and_cancel_requests_are_in_the_content_type_of_the_worker_s_word(
    word: WireMessage, content_type: str
) -> None:
    said = to_command(word, encode(word, message_id=None, content_type=content_type))
    assert isinstance(said, AttemptStarted | AttemptHeartbeat)
    about = {
        "worker": "mine",
        "run_id": "run-1",
        "activity_id": "1",
        "attempt": 1,
        "content_type": said.content_type,
    }
    answers: list[tuple[Effect, type[WireMessage]]] = [
        (GrantEffect(**about, granted=True), ActivityGrant),  # type: ignore[arg-type]
        (CancelTaskEffect(**about, reason="stop"), ActivityCancel),  # type: ignore[arg-type]
    ]
    for effect, kind in answers:
        message = to_message(effect, "message-1")
        assert message.content_type == content_type
        assert isinstance(decode(message), kind)
