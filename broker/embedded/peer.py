"""The server's side of one session: takes its operations to the model, and the model's output back to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

from dalsegno._log import get_logger
from dalsegno.broker.embedded.link import LinkEnd
from dalsegno.broker.embedded.model import Model
from dalsegno.broker.embedded.queue_state import Handout
from dalsegno.broker.embedded.wire import (
    PROTOCOL_VERSION,
    Acknowledge,
    CancelConsumer,
    ChannelClosed,
    ClientOperation,
    CloseChannel,
    DeadLetter,
    Declare,
    DeleteQueue,
    Deliver,
    Goodbye,
    Hello,
    OpenConsumer,
    OpenPublisher,
    Publish,
    PublishOutcomes,
    PurgeQueue,
    QueueDepth,
    Request,
    Response,
    ServerOperation,
    SessionClosed,
    Unbind,
)
from dalsegno.broker.message_bytes import decode_message
from dalsegno.broker.port import Outcome
from dalsegno.errors import ConfigurationError

log = get_logger("dalsegno.broker.embedded")


class Shell(Protocol):
    """What a session needs of its server."""

    @property
    def model(self) -> Model: ...

    def settle(self) -> None:
        """See to the model's output."""

    def when_durable(self, done: Callable[[], None]) -> None:
        """Call `done` when everything that the model has asked for so far is in the file."""

    def forget(self, peer: Peer) -> None: ...


class Peer:
    """`is_local` sessions are of the server's own process: what they publish was encoded by our own hands."""

    def __init__(self, session: int, shell: Shell, *, is_local: bool) -> None:
        self.session = session
        self._shell = shell
        self._model = shell.model
        self._is_local = is_local
        self._link: LinkEnd[ServerOperation] | None = None
        self._greeted = False
        self._gone = False

    def attach(self, link: LinkEnd[ServerOperation]) -> None:
        self._link = link

    # -- from the client ---------------------------------------------------------------------------

    def received(self, operations: Sequence[ClientOperation]) -> None:
        for operation in operations:
            if self._gone:
                break
            match operation:
                case Publish():
                    self._publish(operation)
                case Acknowledge(channel, tag, multiple):
                    self._model.acknowledge(self.session, channel, tag, multiple=multiple)
                case DeadLetter(channel, tag):
                    self._model.dead_letter(self.session, channel, tag)
                case _:
                    self._answer(operation)
        self._shell.settle()

    def lost(self, reason: str) -> None:
        self._leave()
        self._shell.settle()

    def _publish(self, publish: Publish) -> None:
        if not self._is_local:
            try:
                decode_message(publish.payload)
            except (ValueError, TypeError):
                self.end("A message could not be read.")
                return
        self._model.publish(
            self.session, publish.channel, publish.tag, publish.exchange, publish.routing_key, publish.payload
        )

    def _answer(self, request: Request) -> None:
        if not self._greeted and not isinstance(request, Hello):
            self.end("The session did not begin with a greeting.")
            return
        try:
            value, is_change = self._perform(request)
        except ConfigurationError as error:
            self.send(Response(request.request, error=str(error)))
            return
        reply = partial(self.send, Response(request.request, value=value))
        if is_change:
            self._shell.when_durable(reply)
        else:
            # Deliveries that the model has already made must not come behind the answer to a cancel.
            self._shell.settle()
            reply()

    def _perform(self, request: Request) -> tuple[int | None, bool]:
        """The value to answer, and whether the file must follow before the answer."""
        model, session = self._model, self.session
        match request:
            case Hello(version=version, name=name, held_bytes=held_bytes):
                self._greet(version, name)
                if held_bytes is not None:
                    model.limit_bytes(session, held_bytes)
            case Declare(topology=topology):
                return None, model.declare(topology, session)
            case Unbind(bindings=bindings):
                return None, model.unbind(bindings)
            case DeleteQueue(queue=queue):
                return None, model.delete_queue(queue, session)
            case PurgeQueue(queue=queue):
                dropped = model.purge_queue(queue, session)
                return dropped, dropped > 0
            case QueueDepth(queue=queue, of_consumers=True):
                return model.consumer_count(queue), False
            case QueueDepth(queue=queue):
                return model.queue_depth(queue), False
            case OpenPublisher(channel=channel):
                model.open_publisher(session, channel)
            case OpenConsumer(channel=channel, queue=queue, prefetch=prefetch):
                model.open_consumer(session, channel, queue, prefetch)
            case CancelConsumer(channel=channel):
                model.cancel(session, channel)
            case CloseChannel(channel=channel):
                model.close_channel(session, channel)
            case Goodbye():
                self._leave()
        return None, False

    def _greet(self, version: int, name: str) -> None:
        if version != PROTOCOL_VERSION:
            raise ConfigurationError(
                f"The embedded broker's owner speaks version {PROTOCOL_VERSION} of its protocol, this process "
                f"version {version}: run the same dalsegno in both."
            )
        self._greeted = True
        log.debug("embedded_session_opened", session=self.session, name=name, local=self._is_local)

    # -- to the client -----------------------------------------------------------------------------

    def send(self, operation: ServerOperation) -> None:
        if self._link is not None:
            self._link.send((operation,))

    def deliver(self, handout: Handout) -> None:
        consumer, tag, item = handout
        if self._link is not None:
            delivery = Deliver(
                consumer.channel,
                tag,
                item.redelivered,
                item.delivery_count,
                item.exchange,
                item.routing_key,
                item.payload,
            )
            self._link.send((delivery,))

    def tell_outcomes(self, channel: int, outcome: Outcome, tags: list[int]) -> None:
        self.send(PublishOutcomes(channel, outcome, tags))

    def channel_closed(self, channel: int, reason: str) -> None:
        self.send(ChannelClosed(channel, reason))

    def end(self, reason: str) -> None:
        """Close the session from our side."""
        if self._gone:
            return
        log.info("embedded_session_ended", session=self.session, reason=reason)
        self.send(SessionClosed(reason))
        self._leave()
        if self._link is not None:
            self._link.close()

    def flush(self) -> None:
        """Hand over what has gathered; only to be called where no client's call is under way."""
        if self._link is not None:
            self._link.flush()

    def pause(self) -> None:
        if self._link is not None:
            self._link.pause()

    def resume(self) -> None:
        if self._link is not None:
            self._link.resume()

    def _leave(self) -> None:
        """Everything the session held goes back; its exclusive queues go away."""
        if not self._gone:
            self._gone = True
            self._model.close_session(self.session)
            self._shell.forget(self)
