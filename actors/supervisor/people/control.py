"""What every host answers beside its partitions: the control queue, and tasks that no worker survived.

Requests that need a workflow's state (describe, query) are forwarded to its partition, so that they see what
their sender has sent before. The others need only the database.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from importlib.metadata import version

from msgspec import structs

from dalsegno._log import get_logger
from dalsegno.actors.supervisor.connection.broker_link import BrokerLink
from dalsegno.actors.supervisor.connection.services import Acknowledger
from dalsegno.actors.supervisor.database.reading_thread import ReadingThread
from dalsegno.actors.supervisor.deliveries.unread import PUT_BACK_SECONDS
from dalsegno.actors.supervisor.failing.fail_stop import Escaped, guarded
from dalsegno.actors.supervisor.outbox.dead_letters import dead_letter
from dalsegno.actors.supervisor.outbox.outbox import Outbox
from dalsegno.actors.supervisor.outbox.shipment import Shipment, to_reader
from dalsegno.actors.supervisor.people.declaring import DECLARATIONS, declaration_answer
from dalsegno.actors.supervisor.people.messages import encoded, stored_message
from dalsegno.actors.supervisor.people.stored_answers import ANSWERS
from dalsegno.actors.supervisor.wire import replies
from dalsegno.actors.supervisor.wire.form import Address, caller_of
from dalsegno.actors.workflow_actor.interface.cause import Cause
from dalsegno.actors.workflow_actor.interface.commands import Caller, WakeUp
from dalsegno.broker import topology
from dalsegno.broker.port import Delivery, Message, Topology
from dalsegno.broker.protocol import messages as wire
from dalsegno.broker.protocol.codec import UnsupportedMessageError, decode, encode
from dalsegno.broker.protocol.ids import derived_message_id
from dalsegno.errors import CommandRejectedError, InvalidMessageError, UnreadableRowError
from dalsegno.failure import Failure
from dalsegno.persistence.attributes_port import SearchAttributes
from dalsegno.persistence.reader_port import PeopleReader
from dalsegno.priority import at_level

log = get_logger()

VERSION = version("dalsegno")


class ServiceOrigin:
    """A cause that is a delivery of a queue beside the partitions'."""

    __slots__ = ("_consumer", "_tag")

    def __init__(self, consumer: Acknowledger, tag: int) -> None:
        self._consumer = consumer
        self._tag = tag

    @property
    def is_void(self) -> bool:
        return not self._consumer.is_open

    def remove(self) -> None:
        self._consumer.acknowledge(self._tag)


class Control:
    """Serves `dalsegno.control` and `dalsegno.tasks.dead`."""

    def __init__(
        self,
        *,
        outbox: Outbox,
        store: ReadingThread[PeopleReader],
        declare: Callable[[Callable[[SearchAttributes], wire.ControlReply]], Awaitable[wire.ControlReply]],
        host_id: Callable[[], str],
    ) -> None:
        self._outbox = outbox
        self._store = store
        self._declare = declare
        self._host_id = host_id
        self._tasks: set[asyncio.Task[None]] = set()

    def serve(self, link: BrokerLink, escaped: Escaped) -> None:
        """From the next session on."""
        control = Topology(queues=[topology.control_queue()])
        link.serve(topology.CONTROL_QUEUE, control, guarded(escaped, self.on_request))
        dead = guarded(escaped, self.on_dead_task)
        link.serve(topology.DEAD_TASKS_QUEUE, topology.dead_tasks(), dead)

    # --- the control queue ----------------------------------------------------------------------------------

    def on_request(self, delivery: Delivery, consumer: Acknowledger) -> None:
        cause = Cause(WakeUp(), name="control", origin=ServiceOrigin(consumer, delivery.tag))
        message = delivery.message
        try:
            body = decode(message)
        except InvalidMessageError as error:
            code: wire.ErrorCode = "unsupported" if isinstance(error, UnsupportedMessageError) else "invalid"
            self._reject(delivery, cause, code, error.reason)
            return
        except MemoryError:
            raise
        except Exception:
            # A defect of ours. Its sender asks again.
            log.exception("message_unreadable", queue=topology.CONTROL_QUEUE, type=message.type)
            cause.done()
            return
        if isinstance(body, wire.DescribeWorkflow | wire.QueryWorkflow):
            address = Address(topology.COMMANDS_EXCHANGE, topology.routing_key_of(body.workflow_id))
            key = f"control/{id(delivery)}"
            self._outbox.send([Shipment(message, address, causes=[cause], foreign=True, key=key)])
            cause.done()
            return
        caller = caller_of(message)
        if caller is None:
            self._reject(delivery, cause, "invalid", "a control request needs reply_to and a message ID")
            return
        task = asyncio.get_running_loop().create_task(self._answer(body, caller, delivery, cause))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _reject(self, delivery: Delivery, cause: Cause, code: wire.ErrorCode, reason: str) -> None:
        log.warning("control_request_rejected", reason=reason, type=delivery.message.type)
        shipments = [
            Shipment(dead_letter(delivery, reason), Address(topology.DEAD_EXCHANGE, "invalid"), causes=[cause])
        ]
        caller = caller_of(delivery.message)
        if caller is not None:
            shipments.append(self._reply(replies.control_refused(code, reason), caller, cause))
        self._outbox.send(shipments)
        cause.done()

    def _reply(self, reply: wire.ControlReply, caller: Caller, cause: Cause) -> Shipment:
        return to_reader(encoded(reply, caller), caller.reply_to, [cause])

    async def _answer(self, body: wire.WireMessage, caller: Caller, delivery: Delivery, cause: Cause) -> None:
        try:
            message = await self._answered(body, caller)
        except CommandRejectedError as error:
            message = encoded(replies.control_refused(_code(error), str(error)), caller)
        except UnreadableRowError as error:  # to ask again would not help
            message = encoded(replies.control_refused("rejected", str(error)), caller)
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not be held: places are few
            # Its sender asks again.
            log.warning("control_request_failed", type=delivery.message.type, reason=repr(error))
            cause.done()
            return
        self._outbox.send([to_reader(message, caller.reply_to, [cause])])
        cause.done()

    async def _answered(self, body: wire.WireMessage, caller: Caller) -> Message:
        match body:
            case wire.Ping():
                return encoded(wire.ControlReply(version=VERSION, host_id=self._host_id()), caller)
            case _ if type(body) in ANSWERS:
                # Down to its last byte on that thread: the loop has better things to do.
                return await self._store.fetch(partial(stored_message, question=body, caller=caller))
            case _ if type(body) in DECLARATIONS:
                reply = await self._declare(partial(declaration_answer, question=body))
                return encoded(reply, caller)
            case _:
                raise CommandRejectedError(f"a message of the type {body.TYPE!r} is no control request")

    # --- dead tasks ---------------------------------------------------------------------------------------

    def on_dead_task(self, delivery: Delivery, consumer: Acknowledger) -> None:
        """A task that came back more often than the broker hands one out: its workflow decides whether the
        attempt has failed (workers that died), or not (a network that flapped).

        An early one has not: it was never granted, or it would be acknowledged. Workers that find no host to
        ask keep one for as long as the broker lets them (30 minutes), again and again. It is sent once more,
        which is safe whatever has become of its attempt since: who gets it asks first.
        """
        cause = Cause(WakeUp(), name="dead task", origin=ServiceOrigin(consumer, delivery.tag))
        try:
            task = decode(delivery.message)
        except InvalidMessageError as error:
            self._reject(delivery, cause, "invalid", error.reason)
            return
        except MemoryError:
            raise
        except Exception:
            # A defect of ours, and perhaps the only trace of the task.
            log.exception("message_unreadable", queue=topology.DEAD_TASKS_QUEUE, type=delivery.message.type)
            put_back = partial(self._put_back, delivery, cause)
            asyncio.get_running_loop().call_later(PUT_BACK_SECONDS, put_back)
            return
        if not isinstance(task, wire.ActivityTask):
            self._reject(delivery, cause, "invalid", f"a {task.TYPE!r} is no task")
            return
        if task.acknowledge == "early":
            log.warning("task_sent_again", workflow_id=task.workflow_id, activity_id=task.activity_id)
            queue = at_level(task.task_queue, task.priority)
            # Without the headers of its deaths.
            fresh = structs.replace(delivery.message, message_id=_derived_id(task, "again"), headers={})
            address = Address("", topology.task_queue(queue), queue)
            self._outbox.send([Shipment(fresh, address, causes=[cause])])
            cause.done()
            return
        failure = Failure(
            kind="worker_lost",
            type="WorkerLost",
            message=f"no worker survived the task: it came back more than {topology.TASK_DELIVERY_LIMIT} times",
        )
        # Each time that it is sent again it has another ID, and so has the word of its being given up.
        word_id = _derived_id(task, "lost", delivery.message.message_id or "")
        failed = wire.ActivityFailed(
            workflow_id=task.workflow_id,
            run_id=task.run_id,
            activity_id=task.activity_id,
            attempt=task.attempt,
            token=task.token,
            failure=failure,
            returned=word_id,
        )
        message = encode(failed, message_id=word_id)
        address = Address(topology.RESULTS_EXCHANGE, topology.routing_key_of(task.workflow_id))
        self._outbox.send([Shipment(message, address, causes=[cause])])
        cause.done()

    def _put_back(self, delivery: Delivery, cause: Cause) -> None:
        if not cause.is_void:
            address = Address("", topology.DEAD_TASKS_QUEUE)
            key = f"dead task/{id(delivery)}"
            self._outbox.send([Shipment(delivery.message, address, causes=[cause], foreign=True, key=key)])
            cause.done()


def _derived_id(task: wire.ActivityTask, *what: str) -> str:
    return derived_message_id(task.idempotency_key, str(task.attempt), task.token.hex(), *what)


def _code(error: CommandRejectedError) -> wire.ErrorCode:
    code: wire.ErrorCode = error.code  # type: ignore[assignment]  # each class's code is of the closed list
    return code
