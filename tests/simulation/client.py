"""A simulated client: it plays stories, each command confirmed before the next, and hears what comes back."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from dalsegno.broker import topology
from dalsegno.broker.port import Delivery, Message, Queue
from dalsegno.broker.protocol import messages as wire
from dalsegno.broker.protocol.codec import decode, encode
from dalsegno.broker.protocol.ids import run_id
from dalsegno.failure import Failure
from dalsegno.payload import Payload
from tests.default_converter import from_payload, to_payload
from tests.partition_ids import nth
from tests.simulation.connection import Connection
from tests.simulation.consumers import ModelConsumer
from tests.simulation.postbox import Letter, Postbox
from tests.simulation.scheduler import SECOND, Process
from tests.simulation.stories import Ended, Plan, Step
from tests.simulation.updating import AskedUpdate
from tests.workflow_actor.stored.two_releases import NEWER

if TYPE_CHECKING:
    from tests.simulation.world import Simulation

ASK_AGAIN = 20 * SECOND
LOOK_AGAIN = 3 * SECOND
MUCH_LATER = 60 * SECOND
OUTSIDE_MAX = 2 * SECOND
NOBODY_CAN_READ = b"\xff\xff nobody can read this"

OnReply = Callable[[wire.Reply], None]


class Story:
    """A plan being played for one workflow ID. `sent` are the arguments of confirmed signals, in order."""

    def __init__(self, client: Client, workflow_id: str, plan: Plan) -> None:
        self.workflow_id = workflow_id
        self.plan = plan
        self.ended: dict[str, Ended] = {}
        self.runs: list[str] = []
        self.sent: list[object] = []
        self.refused: list[str] = []
        self.updates: list[AskedUpdate] = []
        self.is_over = False
        self._client = client
        self._left = list(plan.steps)
        self._restarting = False
        self._looks = 0
        self._awaits_update = False
        self._refused_starts: set[str] = set()
        """Their run IDs."""
        self._unheard: dict[str, Callable[[], None]] = {}
        """Starts of which nothing was heard, by run ID: each says it once more."""
        self._start_id: str | None = None
        """The message ID of the last start, until a signal has it, too."""

    def begin(self) -> None:
        """Once what it takes can be stored."""
        if self._client.may_play(self.plan):
            self._start()
        else:
            self._client.after(SECOND, self.begin)

    def _start(self) -> None:
        client, plan = self._client, self.plan
        if plan.first is not None and plan.first.kind == "update":
            self._start_with(plan.first)
            return
        message_id = client.new_message_id(self.workflow_id)
        self.runs.append(run_id(self.workflow_id, message_id))
        self._start_id = message_id
        replies = "accepted", "result"
        body = self._start_of(replies) if plan.first is None else self._with_start(plan.first, replies)
        run = self.runs[-1]
        say = partial(client.command, body, message_id, replied=lambda reply: self._start_told(reply, run))
        self._unheard[run] = partial(say, may_stray=True)
        say(confirmed=self._go_on)
        client.after(ASK_AGAIN, lambda: self._ask(run))

    def _start_with(self, step: Step) -> None:
        """An update begins the run."""
        update = self._new_update(step, self._about(("accepted", "result")))
        run = run_id(self.workflow_id, update.message_id)
        self.runs.append(run)
        update.send(confirmed=self._go_on)
        self._client.after(ASK_AGAIN, lambda: self._ask(run))

    def _ask(self, run: str) -> None:
        """For the result, until it is known: answers may get lost."""
        if run in self.runs and run not in self.ended:
            if self._client.namespace_moves and run in self._unheard:
                self._unheard[run]()  # if it was refused, that is all that is known of it
            body = wire.AwaitResult(workflow_id=self.workflow_id, run_id=run)
            message_id = self._client.new_message_id(self.workflow_id)
            self._client.command(body, message_id, replied=self._told, may_stray=True)
            self._client.after(ASK_AGAIN, lambda: self._ask(run))

    def _start_of(self, replies: tuple[Any, ...]) -> wire.StartWorkflow:
        return wire.StartWorkflow(**self._about(replies))

    def _with_start(self, signal: Step, replies: tuple[Any, ...] = ()) -> wire.SignalWithStart:
        args = tuple(map(to_payload, signal.args))
        return wire.SignalWithStart(**self._about(replies), signal_name=signal.name, signal_args=args)

    def _about(self, replies: tuple[Any, ...]) -> dict[str, Any]:
        return {
            "workflow_id": self.workflow_id,
            "workflow_type": self.plan.workflow_type,
            "args": tuple(map(to_payload, self.plan.args)),
            "replies": replies,
            **self.plan.options,
        }

    def _start_told(self, reply: wire.Reply, run: str) -> None:
        """Where the namespace moves, a host that has not heard of it may refuse what it has no place for."""
        self._unheard.pop(run, None)
        is_refused = reply.error is not None and reply.error.code == "rejected" and reply.kind == "accepted"
        if not is_refused or not self._client.namespace_moves:
            self._told(reply)
        elif run not in self._refused_starts:
            self._refused_starts.add(run)
            self._client.after(SECOND, lambda: self._start_instead(run))

    def _start_instead(self, run: str) -> None:
        self.runs.remove(run)
        self._start()

    def _told(self, reply: wire.Reply) -> None:
        if reply.kind != "result" or reply.run_id is None or reply.error is not None:
            return
        assert reply.next_run_id is None, "who waits for a chain is told of its last run"
        assert reply.status is not None
        result = None if reply.result is None else from_payload(reply.result)
        ended = Ended(reply.status, result)
        first = self._client.chain_of(reply.run_id)
        self._client.invariants.told(self.workflow_id, first, self.ended.setdefault(first, ended), ended)
        if first == self.runs[-1]:
            self._maybe_over()

    def _go_on(self) -> None:
        if self._left:
            step = self._left.pop(0)
            self._restarting = step.kind == "again"
            self._client.after(step.delay, lambda: self._take(step))
        else:
            self._maybe_over()

    def _maybe_over(self) -> None:
        is_known = self.runs[-1] in self.ended and all(update.is_settled for update in self.updates)
        self.is_over = not self._left and not self._restarting and is_known

    def _take(self, step: Step) -> None:
        match step.kind:
            case "again":
                self._again(step)
                return
            case "describe":
                self._look()
                return
            case "release":
                self._client.release(self.workflow_id)
                self._go_on()
                return
            case "update" | "update with start":
                update = self._new_update(step, self._about(()) if step.kind == "update with start" else None)
                self._awaits_update = self._client.namespace_moves
                update.send(confirmed=_pass if self._awaits_update else self._go_on)
                return
        body, replied = self._message(step)
        number = message_id = self._client.new_message_id(self.workflow_id)
        if step.kind == "signal" and self._start_id is not None and self._client.shares_an_id():
            message_id, self._start_id = self._start_id, None

        def confirmed() -> None:
            if step.kind in ("signal", "with start"):
                self.sent.append(step.args[0] if step.args else None)
            elif step.kind == "refused":
                self._client.note_refused()
                self.refused.append(message_id)
            self._go_on()

        self._client.command(body, message_id, correlation_id=number, confirmed=confirmed, replied=replied)

    def _new_update(self, step: Step, start: dict[str, Any] | None) -> AskedUpdate:
        """`start`: what would start the workflow, where that comes with it."""
        update_id = f"update-{len(self.updates) + 1}"
        update = AskedUpdate(
            self._client, self.workflow_id, update_id, step, self._settled, start=start, on_start=self._told
        )
        self.updates.append(update)
        return update

    def _settled(self) -> None:
        """What an update comes to is known. Where it may be refused for now, nothing else is said before."""
        if self._awaits_update and self.updates[-1].is_settled:
            self._awaits_update = False
            self._go_on()
        self._maybe_over()

    def _look(self) -> None:
        """Until it has been seen while nothing went on in it, from the question to the answer: code that comes
        back in between goes on with what was recorded for it."""
        self._looks += 1
        look, quiet_at = self._looks, self._quiet_at()

        def described(reply: wire.Reply) -> None:
            description = reply.description
            if look != self._looks or description is None:
                return
            if quiet_at is None or quiet_at != self._quiet_at():
                return
            if self._client.invariants.described(self.workflow_id, description, pokes=len(self.sent)):
                self._looks += 1
                self._go_on()

        body = wire.DescribeWorkflow(workflow_id=self.workflow_id)
        self._client.command(body, self._client.new_message_id(self.workflow_id), replied=described)
        self._client.after(LOOK_AGAIN, lambda: self._look() if look == self._looks else None)

    def _quiet_at(self) -> int | None:
        return self._client.quiet_at(self.runs[-1], signals=len(self.sent))

    def _again(self, step: Step) -> None:
        self._restarting = self.runs[-1] not in self.ended
        if not self._restarting:
            self._start()
        else:
            self._client.after(SECOND, lambda: self._again(step))

    def _message(self, step: Step) -> tuple[wire.WireMessage, OnReply]:
        workflow_id = self.workflow_id
        match step.kind:
            case "with start":
                return self._with_start(step), _ignore
            case "signal" | "unfit" | "refused":
                args = tuple(map(to_payload, step.args))
                return wire.SignalWorkflow(workflow_id=workflow_id, name=step.name, args=args), _ignore
            case "query":
                known = len(self.sent)
                return wire.QueryWorkflow(workflow_id=workflow_id, name=step.name), lambda r: self._read(
                    r, known
                )
            case "cancel":
                return wire.CancelWorkflow(workflow_id=workflow_id), _ignore
            case "terminate":
                return wire.TerminateWorkflow(workflow_id=workflow_id), _ignore
        raise AssertionError(f"no step {step.kind!r}")

    def _read(self, reply: wire.Reply, known: int) -> None:
        if reply.error is None and reply.result is not None:
            self._client.invariants.read(self.workflow_id, from_payload(reply.result), at_least=known)


def _ignore(reply: wire.Reply) -> None:
    """The journal shows what became of it."""


def _pass() -> None:
    """It goes on when more is known."""


class Client(Process):
    def __init__(self, simulation: Simulation, name: str) -> None:
        super().__init__(simulation.scheduler, name)
        self.invariants = simulation.client_invariants
        self.stories: dict[str, Story] = {}
        self._simulation = simulation
        self._faults = simulation.faults
        self._queue = topology.reply_queue(name)
        self._replied: dict[str, OnReply] = {}
        self._postbox = Postbox(simulation.broker, self, self._on_session)
        self._numbers: dict[str, int] = {}

    def start(self) -> None:
        self.begin_life()
        self._postbox.connect()

    def play(self, workflow_id: str, plan: Plan, *, delay: int) -> None:
        story = self.stories[workflow_id] = Story(self, workflow_id, plan)
        self.after(delay, story.begin)

    def may_play(self, plan: Plan) -> bool:
        """Some starts and updates are refused, where they have no place in the format that may be written."""
        is_old = self._simulation.store.format_written < NEWER.newest
        waits = self.namespace_moves and is_old and (plan.options or plan.workflow_type == "Desk")
        return not waits

    @property
    def namespace_moves(self) -> bool:
        return self._simulation.language.moves

    def new_message_id(self, workflow_id: str) -> str:
        number = self._numbers[workflow_id] = self._numbers.get(workflow_id, 0) + 1
        return f"{workflow_id}/{number}"

    def _on_session(self, connection: Connection) -> None:
        broker = self._simulation.broker
        own = Queue(self._queue, durable=False)
        connection.to_broker(lambda: broker.declare([own], connection))
        opened: list[ModelConsumer] = []
        broker.open_consumer(
            connection,
            self._queue,
            prefetch=100,
            on_delivery=lambda delivery: self._on_reply(delivery, opened[0]),
            on_closed=lambda _: None,
            opened=lambda consumer: opened.append(consumer) if consumer is not None else None,
        )

    def _on_reply(self, delivery: Delivery, consumer: ModelConsumer) -> None:
        consumer.acknowledge(delivery.tag)
        reply = decode(delivery.message)
        assert isinstance(reply, wire.Reply)
        reply = self._simulation.opened(self, reply.workflow_id, reply)
        self._replied[delivery.message.correlation_id or ""](reply)

    def command(
        self,
        body: wire.WireMessage,
        message_id: str,
        *,
        correlation_id: str | None = None,
        confirmed: Callable[[], None] = lambda: None,
        replied: OnReply = _ignore,
        may_stray: bool = False,
    ) -> None:
        """Publish until confirmed. `may_stray`: its order among others does not matter, so it may take a detour
        through a foreign partition."""
        correlation_id = correlation_id or message_id
        self._replied[correlation_id] = replied
        workflow_id: str = body.workflow_id  # type: ignore[attr-defined]
        body = self._simulation.sealed(self, workflow_id, body)
        message = encode(body, message_id=message_id, correlation_id=correlation_id, reply_to=self._queue)
        exchange, key = topology.COMMANDS_EXCHANGE, topology.routing_key_of(workflow_id)
        if may_stray and self._faults.happens("command to a foreign partition"):
            partition = self._simulation.random.randrange(self._simulation.partitions)
            exchange, key = "", topology.partition_queue(nth(partition))
        if self._faults.happens("command sent twice"):
            self._postbox.send(Letter(exchange, key, message, lambda: None))
        self._postbox.send(Letter(exchange, key, message, confirmed))
        if self._faults.happens("command repeated much later"):
            self.after(
                self._simulation.random.randrange(MUCH_LATER),
                lambda: self._postbox.send(Letter(exchange, key, message, lambda: None)),
            )
        if self._faults.happens("command nobody can read"):
            self._send_garbage(key)

    def _send_garbage(self, key: str) -> None:
        message_id = self.new_message_id("garbage")
        self._replied[message_id] = _ignore
        message = Message(
            body=NOBODY_CAN_READ,
            message_id=message_id,
            correlation_id=message_id,
            reply_to=self._queue,
            type="workflow.signal",
            content_type="application/cbor",
        )

        def confirmed() -> None:
            self._simulation.invariants.unreadable.append(message_id)

        exchange = "" if key.startswith("dalsegno.") else topology.COMMANDS_EXCHANGE
        self._postbox.send(Letter(exchange, key, message, confirmed))

    def resolve(self, task: wire.ActivityTask, outcome: Payload | Failure) -> None:
        """An activity that its worker has handed over, a while later. What is lost on the way times out."""
        body = wire.ResolveActivity(
            workflow_id=task.workflow_id,
            run_id=task.run_id,
            activity_id=task.activity_id,
            token=task.token,
            result=None if isinstance(outcome, Failure) else outcome,
            failure=outcome if isinstance(outcome, Failure) else None,
        )
        # Not drawn from the simulation's own stream, where other things come from.
        delay = int.from_bytes(task.token[-4:]) % OUTSIDE_MAX
        self.after(delay, lambda: self.command(body, self.new_message_id(f"{task.workflow_id}/outside")))

    def release(self, workflow_id: str) -> None:
        """What it holds may end."""
        self._simulation.ledger.released.add(workflow_id)

    def chain_of(self, run_id: str) -> str:
        return self._simulation.history.family.chain_of(run_id)

    def run_of_update(self, workflow_id: str, update_id: str) -> str | None:
        """Which run was given it first, if one was."""
        return self._simulation.history.updates.run_of(workflow_id, update_id)

    def quiet_at(self, run_id: str, *, signals: int) -> int | None:
        """After how many rows nothing goes on in it by itself; None while something does."""
        simulation = self._simulation
        if not simulation.history.is_quiet(run_id, signals=signals, now=simulation.store.now()):
            return None
        return len(simulation.history.runs[run_id].rows)

    def shares_an_id(self) -> bool:
        return self._faults.happens("signal with its start's message ID")

    def note_refused(self) -> None:
        self._faults.note("signal the database refuses")

    @property
    def is_done(self) -> bool:
        return self._postbox.is_empty and all(story.is_over for story in self.stories.values())
