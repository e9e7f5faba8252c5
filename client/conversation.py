"""Asking the engine, until it has answered.

A request is published until the broker confirms it, and again when no answer comes, always with the same
message ID, by which the engine knows it: it is carried out once and answered each time. So a conversation ends
with an answer, with an error that a person must mend, or when the caller's time is up.
"""

from __future__ import annotations

from contextlib import suppress
from types import TracebackType
from typing import NamedTuple, Self, TypeVar
from uuid import uuid4

from msgspec.structs import replace

from dalsegno import given
from dalsegno.backoff import Backoff
from dalsegno.broker.port import Outcome
from dalsegno.broker.protocol.codec import check, encode
from dalsegno.broker.protocol.messages import ControlReply, Reply, StartWorkflow, ToWorkflow, WireMessage
from dalsegno.broker.topology import COMMANDS_EXCHANGE, CONTROL_QUEUE, routing_key_of
from dalsegno.client.errors import UnsendableError, rejection
from dalsegno.client.link import ClientLink
from dalsegno.client.links import Links
from dalsegno.client.patience import Patience
from dalsegno.client.reply_box import ReplyBox
from dalsegno.client.suspensions import Suspensions
from dalsegno.data_converter import DataConverter
from dalsegno.errors import InvalidMessageError, PayloadStoreError
from dalsegno.loop_clock import sleep
from dalsegno.loop_clock import timeout as within

A = TypeVar("A", Reply, ControlReply)
W = TypeVar("W", bound=WireMessage)


class Destination(NamedTuple):
    exchange: str
    routing_key: str


def destination_of(question: WireMessage) -> Destination:
    """What is for a workflow goes to its partition, all else to whichever host takes it first."""
    if isinstance(question, StartWorkflow | ToWorkflow):
        return Destination(COMMANDS_EXCHANGE, routing_key_of(question.workflow_id))
    return Destination("", CONTROL_QUEUE)


class Conversation:
    """A correlation ID, the questions asked with it, and the replies that come for it; a context manager."""

    def __init__(self, links: Links, converter: DataConverter, suspensions: Suspensions | None = None) -> None:
        """`suspensions` hears of them while something else is waited for."""
        self.timings = links.timings
        self.suspensions = suspensions
        self._links = links
        self._converter = converter
        self._box: ReplyBox | None = None
        self._link: ClientLink | None = None

    def __enter__(self) -> Self:
        self._box = self._links.open_box()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._box is not None
        self._links.close_box(self._box)

    async def ask(
        self,
        answer_type: type[A],
        question: WireMessage,
        *,
        message_id: str | None,
        timeout: float | None,
        resend_seconds: float | None = None,
        kind: str | None = None,
    ) -> A:
        """The answer to a question, an `answer_type`; of a Reply one of the `kind`, if that is given.

        `message_id` None draws a new ID for each sending, for questions that change nothing. Raises the
        CommandRejectedError that the answer tells, NoAnswerError and BrokerUnavailableError when `timeout`
        seconds are over, ConfigurationError, and UnsendableError for a question that cannot be sent.
        """
        timeout = given.patience("timeout", timeout)
        question = sendable(question)
        if self._converter._stored is not None:
            await self._converter._stored.kept(question)
        patience = Patience(question.TYPE, self.timings)
        if resend_seconds is None:
            resend_seconds = self.timings.resend
        try:
            async with within(self._links.clock, timeout):
                return await self._until_answered(
                    answer_type,
                    question,
                    message_id,
                    resend_seconds,
                    kind,
                    patience,
                )
        except TimeoutError:
            assert timeout is not None
            raise patience.exhausted(timeout) from None

    async def _until_answered(
        self,
        answer_type: type[A],
        question: WireMessage,
        message_id: str | None,
        resend_seconds: float,
        kind: str | None,
        patience: Patience,
    ) -> A:
        pauses = Backoff(self.timings.pause_min, self.timings.pause_max)
        sent = False
        while True:
            if sent and self._links.observer is not None:
                self._links.observer.request_repeated(question.TYPE)
            sent = True
            match await self._send(question, message_id or str(uuid4()), patience):
                case Outcome.CONFIRMED:
                    patience.confirmed()
                    answer = await self.further(answer_type, kind, resend_seconds)
                    if answer is None:
                        continue
                    if answer.error is None:
                        return answer
                    if answer.error.code != "moved":
                        told = answer if isinstance(answer, Reply) else Reply(kind="answer")
                        of = self._converter.of_workflow(getattr(question, "workflow_id", ""))
                        raise rejection(answer.error, told.failure, told.status, of)
                case Outcome.RETURNED:
                    patience.namespace_missing(self._links.clock.time())
                case Outcome.REFUSED:
                    patience.hindered("the broker refused it, because a queue is full")
                case Outcome.IMPOSSIBLE:
                    raise UnsendableError("This cannot be sent: its IDs or its values are too large.")
                case None | Outcome.LOST:
                    continue  # the next link takes its own pause
            await sleep(self._links.clock, pauses.next_seconds())

    async def _send(self, question: WireMessage, message_id: str, patience: Patience) -> Outcome | None:
        """None when there is no link to send it over."""
        assert self._box is not None
        self._link = await self._links.link(patience)
        if self._link is None:
            return None
        try:
            message = encode(
                question,
                message_id=message_id,
                correlation_id=self._box.correlation_id,
                reply_to=self._link.reply_to,
            )
        except InvalidMessageError as error:
            raise _unsendable(error) from error
        exchange, routing_key = destination_of(question)
        return await self._link.publish(exchange, routing_key, message)

    async def further(self, answer_type: type[A], kind: str | None, seconds: float) -> A | None:
        """The next answer of that kind, or error; None when none came in time, or none can come any more."""
        assert self._box is not None
        clock = self._links.clock
        until = clock.time() + seconds
        while True:
            while (answer := self._box.take()) is not None:
                if isinstance(answer, answer_type) and _fits(answer, kind):
                    if self._converter._stored is not None:
                        await self._fetched(answer)
                    return answer
                self.heard(answer)
            left = until - clock.time()
            if left <= 0 or self._link is None or not self._link.is_open:
                return None
            await self._box.wait(clock, left)

    async def _fetched(self, answer: Reply | ControlReply) -> None:
        """What it refers to is at hand, if it can be had: else whoever reads it is told so."""
        assert self._converter._stored is not None
        with suppress(PayloadStoreError):
            await self._converter._stored.fetch(answer)

    def heard(self, answer: Reply | ControlReply) -> None:
        """It is not what is waited for, or not yet."""
        if self.suspensions is not None and isinstance(answer, Reply):
            self.suspensions.heard(answer)


def _fits(answer: Reply | ControlReply, kind: str | None) -> bool:
    if answer.error is not None or not isinstance(answer, Reply) or kind in (None, answer.kind):
        return True
    # What is kept for a workflow that cannot be run is answered once more when it is handled.
    return kind == "update" and answer.update_stage == "completed"


def sendable(question: W) -> W:
    """As it is sent, once it is seen that it can be. Raises UnsendableError."""
    question = _plain(question)
    try:
        check(question)
    except InvalidMessageError as error:
        raise _unsendable(error) from error
    except TypeError as error:  # such as a Payload with something else in it
        raise UnsendableError(f"This cannot be sent: {error}.") from error
    return question


def _plain(question: W) -> W:
    """With plain texts, whatever a subclass of str shows of itself."""
    texts = {
        field: str.__str__(value)
        for field in question.__struct_fields__
        if isinstance(value := getattr(question, field), str) and type(value) is not str
    }
    return replace(question, **texts) if texts else question


def _unsendable(error: InvalidMessageError) -> UnsendableError:
    return UnsendableError(f"This cannot be sent: {error.reason}.")
