"""What a client holds of answers: those to calls under way, each once."""

from __future__ import annotations

import pytest

from dalsegno.broker.held_bytes import HELD_BYTES
from dalsegno.broker.port import Broker, Message
from dalsegno.broker.protocol.codec import encode
from dalsegno.broker.protocol.messages import Reply
from dalsegno.client import client as client_module
from dalsegno.client.links import Links
from dalsegno.client.reply_box import ReplyBox
from dalsegno.client.timings import ClientTimings
from tests.client.flaky_broker import FlakyBroker


def reply(box: ReplyBox, message_id: str | None, workflow_id: str = "w") -> Message:
    return encode(
        Reply(kind="answer", workflow_id=workflow_id),
        message_id=message_id or "",
        correlation_id=box.correlation_id,
    )


async def test_an_answer_that_comes_again_before_it_is_read_is_held_once(broker: FlakyBroker) -> None:
    links = Links(broker, ClientTimings())
    box = links.open_box()
    for _ in range(1000):
        links._deliver(reply(box, "answer-1"))
    links._deliver(reply(box, "answer-2", "other"))
    answers = []
    while (answer := box.take()) is not None:
        assert isinstance(answer, Reply)
        answers.append(answer.workflow_id)
    assert answers == ["w", "other"]


async def test_once_it_was_read_it_may_come_again(broker: FlakyBroker) -> None:
    """Who asks again under the same ID is answered again with the same one."""
    links = Links(broker, ClientTimings())
    box = links.open_box()
    for _ in range(2):
        links._deliver(reply(box, "answer-1"))
        assert box.take() is not None
    assert box.take() is None


async def test_answers_to_a_call_that_is_over_are_not_held(broker: FlakyBroker) -> None:
    links = Links(broker, ClientTimings())
    box = links.open_box()
    links.close_box(box)
    links._deliver(reply(box, "answer-1"))
    assert box.take() is None


def test_what_waits_for_a_client_that_reads_nothing_is_bounded_by_the_broker() -> None:
    asked: list[int | None] = []

    def noted(url: str, *, held_bytes: int | None = None) -> Broker:
        asked.append(held_bytes)
        raise ConnectionError(url)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(client_module, "open_broker", noted)
        with pytest.raises(ConnectionError):
            client_module.Client.connect("embedded:nowhere.db")
    assert asked == [HELD_BYTES]
