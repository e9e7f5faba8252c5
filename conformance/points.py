"""What is asked of a worker, point by point. Which activities it has for that: docs/protocol-worker.md,
"Conformance"."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

from dalsegno.broker.protocol.messages import ActivityCanceled, ActivityHeartbeat, ActivityStarted
from dalsegno.conformance.point import ContractPoint, Level, NotMetError
from dalsegno.conformance.trial import Given, Trial, shown
from dalsegno.payload import Payload

SECOND = 1_000_000
TASKS = "docs/protocol-worker.md, “Writing a worker”"
DUTIES = "docs/protocol-worker.md, “What a worker must, should and may do”"
MESSAGES = "docs/protocol.md, “A message”"

LARGE = 700_000
"""Characters: with what else is in a message it stays below its limit."""
VALUE = {"text": 'ä € 漢 " \\', "list": [1, -2, None, True, [], {}], "number": 2**53 - 1, "half": 0.5}

POINTS: list[ContractPoint] = []

Ask = Callable[[Trial], Awaitable[None]]


def _point(name: str, level: Level, claim: str, section: str, *, alone: bool = False) -> Callable[[Ask], Ask]:
    def added(ask: Ask) -> Ask:
        POINTS.append(ContractPoint(name, level, claim, section, ask, alone))
        return ask

    return added


def _expect(holds: bool, sentence: str) -> None:
    if not holds:
        raise NotMetError(sentence)


# --- values ----------------------------------------------------------------------------------------------


@_point("echo", Level.MUST, "says activity.completed with what the activity returned", TASKS)
async def _echo(trial: Trial) -> None:
    for value in (VALUE, None):
        returned = await (await trial.give("echo", value)).completed()
        _expect(
            returned == value, f"conformance.echo was given {value!r} and returned {str(returned)[:200]!r}."
        )


@_point("large", Level.MUST, "takes and sends a message of nearly a mebibyte", MESSAGES)
async def _large(trial: Trial) -> None:
    returned = await (await trial.give("echo", "x" * LARGE)).completed()
    _expect(returned == "x" * LARGE, f"A text of {LARGE} characters did not come back as it was.")


@_point(
    "copies", Level.MUST, "copies run_id, attempt and token of the task into all that it says of it", DUTIES
)
async def _copies(trial: Trial) -> None:
    given = await trial.give("beat", 0.5, attempt=3, heartbeat_timeout=SECOND // 2)
    await given.outcome()
    for said in given.heard:
        for field in ("workflow_id", "run_id", "attempt", "token"):
            was, task = getattr(said, field), getattr(given.task, field)
            _expect(was == task, f"The {field} of its {said.TYPE} is {was!r}, and that of the task {task!r}.")


@_point("unknown fields", Level.MUST, "passes over fields of a task that it does not know", MESSAGES)
async def _unknown_fields(trial: Trial) -> None:
    more = {"conformance_new": {"of": ["a", "later", "version"]}}
    returned = await (await trial.send(trial.task("echo", 1), more=more)).completed()
    _expect(returned == 1, f"conformance.echo was given 1 and returned {str(returned)[:200]!r}.")


@_point(
    "unknown payload", Level.SHOULD, "fails, with a type, a payload whose encoding it does not know", DUTIES
)
async def _unknown_payload(trial: Trial) -> None:
    failed = await (await trial.give("echo", Payload("conformance/unknown", b"\x00\xff"))).failed()
    _expect(bool(failed.failure.type), "Its failure has no type, by which a retry policy would know it.")


# --- failures --------------------------------------------------------------------------------------------


async def _fails(trial: Trial, non_retryable: bool) -> None:
    failure = (await (await trial.give("fail", "CardDeclined", "no such card", non_retryable)).failed()).failure
    _expect(failure.kind == "application", f"The kind of the failure is {failure.kind!r}, not 'application'.")
    _expect(failure.type == "CardDeclined", f"The type of the failure is {failure.type!r}, not 'CardDeclined'.")
    _expect("no such card" in failure.message, f"The failure's message is {failure.message[:200]!r}.")
    _expect(
        failure.non_retryable is non_retryable,
        f"The failure's non_retryable is {failure.non_retryable}, and the activity has said {non_retryable}.",
    )


@_point("fails", Level.MUST, "says activity.failed with type and message, which may be tried again", TASKS)
async def _retryable(trial: Trial) -> None:
    await _fails(trial, non_retryable=False)


@_point("fails for good", Level.MUST, "says non_retryable where the activity does", TASKS)
async def _final(trial: Trial) -> None:
    await _fails(trial, non_retryable=True)


@_point("unknown activity", Level.SHOULD, "fails, with a type, an activity that it has not", DUTIES)
async def _unknown_activity(trial: Trial) -> None:
    failed = await (await trial.give("that nobody has")).failed()
    _expect(bool(failed.failure.type), "Its failure has no type, by which a retry policy would know it.")


@_point("too long", Level.SHOULD, "gives up what outlasts start_to_close, as timed_out", DUTIES)
async def _too_long(trial: Trial) -> None:
    failure = (await (await trial.give("sleep", 3, start_to_close=SECOND // 2)).failed()).failure
    said = (failure.kind, failure.timeout_type)
    wanted = ("timed_out", "start_to_close")
    _expect(said == wanted, f"Kind and timeout_type of its failure are {said}, not {wanted}.")


# --- signs of life ---------------------------------------------------------------------------------------


@_point("started", Level.MUST, "says activity.started of late work that has lasted a second", TASKS)
async def _started(trial: Trial) -> None:
    given = await trial.give("sleep", 2)
    await given.outcome()
    said = any(isinstance(each, ActivityStarted) for each in given.heard)
    _expect(said, "Late work has lasted for 2 s, and ended without activity.started.")


@_point("heartbeats", Level.MUST, "sends heartbeats by itself with auto_heartbeat", TASKS)
async def _auto_heartbeat(trial: Trial) -> None:
    given = await trial.give("sleep", 1.5, heartbeat_timeout=9 * SECOND // 10, auto_heartbeat=True)
    await given.outcome()
    beats = sum(isinstance(said, ActivityHeartbeat) for said in given.heard)
    _expect(beats >= 2, f"In 1.5 s it sent {beats} heartbeats; with a timeout of 0.9 s it is one each 0.3 s.")


async def _beats(trial: Trial) -> list[Payload]:
    given = await trial.give("beat", 1.0, heartbeat_timeout=6 * SECOND // 10)
    await given.outcome()
    return [said.details for said in given.heard if isinstance(said, ActivityHeartbeat) and said.details]


@_point("own heartbeats", Level.MUST, "hands on the heartbeats of the activity's code, with details", TASKS)
async def _own_heartbeat(trial: Trial) -> None:
    details = await _beats(trial)
    _expect(bool(details), "conformance.beat has sent heartbeats for 1 s, and none came with details.")


@_point("details", Level.MUST, "gives the activity the details of the attempt before", TASKS)
async def _details(trial: Trial) -> None:
    """In whatever form the worker itself has sent them: nobody else reads them. If it sends none, nothing is
    asked here."""
    for details in (await _beats(trial))[-1:]:
        returned = await (await trial.give("beat", 0, attempt=2, heartbeat_details=details)).completed()
        went_on = isinstance(returned, int) and returned >= 1
        _expect(went_on, f"conformance.beat was to go on from where it was, but returned {returned!r}.")


@_point("canceled", Level.SHOULD, "stops what activity.cancel is about, and says activity.canceled", DUTIES)
async def _canceled(trial: Trial) -> None:
    given = await trial.give("beat", 8, heartbeat_timeout=6 * SECOND // 10)
    await given.worker()
    await given.cancel()
    outcome = await given.outcome()
    _expect(isinstance(outcome, ActivityCanceled), f"It was asked to stop, and ended as {shown(outcome)}.")


# --- early acknowledgement -------------------------------------------------------------------------------


async def _early(trial: Trial, value: str) -> Given:
    given = await trial.give("echo", value, acknowledge="early")
    await given.started()
    return given


@_point("early", Level.MUST, "asks for a grant before it begins early work, and works when it has it", TASKS)
async def _granted(trial: Trial) -> None:
    given = await _early(trial, "granted")
    await given.no_outcome("before it had a grant")
    await given.grant()
    await given.completed()


@_point("refused", Level.MUST, "drops early work whose grant is refused", TASKS)
async def _refused(trial: Trial) -> None:
    given = await _early(trial, "refused")
    await given.grant(False)
    await given.no_outcome("though its grant was refused")


@_point("asks again", Level.MUST, "asks again for a grant that does not come, with the same queue", TASKS)
async def _asks_again(trial: Trial) -> None:
    given = await _early(trial, "asked again")
    first, count = await given.worker(), len(given.heard)
    again = await given.started(after=count)
    _expect(again.worker == first, f"It asked as {first!r} first, and again as {again.worker!r}.")
    await given.grant()
    await given.completed()


# --- what is no task -------------------------------------------------------------------------------------


def _rubbish() -> bytes:
    """Unlike any other, so that its dead letter is known among those of others."""
    return b"\xff no task: " + uuid4().bytes


async def _is_dead(trial: Trial, body: bytes) -> None:
    dead = await trial.dead_letter(body)
    if dead is None:
        raise NotMetError("It was not published to dalsegno.dead with the routing key 'invalid'.")
    _expect("x-dalsegno-reason" in dead.headers, "Its dead letter has no header x-dalsegno-reason.")


@_point("no task", Level.SHOULD, "puts what is no task to the dead letters, with a reason", DUTIES)
async def _no_task(trial: Trial) -> None:
    for body in (_rubbish(), json.dumps({"activity_id": str(uuid4())}).encode()):
        await trial.send_body(body)
        await _is_dead(trial, body)


@_point("serves on", Level.MUST, "goes on with other tasks behind one that it cannot read", DUTIES)
async def _serves_on(trial: Trial) -> None:
    await trial.send_body(_rubbish())
    returned = await (await trial.give("echo", "behind")).completed()
    _expect(returned == "behind", "The next task was done wrong.")


@_point("addresses", Level.SHOULD, "refuses a task whose answers would not go to a workflow", TASKS)
async def _addresses(trial: Trial) -> None:
    before = len(trial.strayed)
    given = await trial.give("echo", 1, exchange="dalsegno.dead", routing_key=trial.elsewhere)
    await asyncio.sleep(trial.patience.silence)
    strayed = trial.strayed[before:]
    _expect(not strayed and not given.heard, f"It sent {strayed} to the exchange 'dalsegno.dead'.")


# --- coming twice, and again -----------------------------------------------------------------------------


@_point("twice", Level.SHOULD, "knows a task that is delivered again while it works on it", DUTIES, alone=True)
async def _twice(trial: Trial) -> None:
    first = await trial.give("count", 0.5)
    await trial.send(first.task)
    begun: Any = await first.completed()
    await first.no_more_than_one()
    after: Any = await (await trial.give("count", 0)).completed()
    _expect(after == begun + 1, f"A task that came twice at once was worked on {after - begun} times.")


@_point("readable", Level.MUST, "says nothing that a host could not read", MESSAGES, alone=True)
async def _readable(trial: Trial) -> None:
    _expect(not trial.unreadable, f"A host could not have read: {'; '.join(trial.unreadable[:3])}.")


@_point(
    "queue again",
    Level.SHOULD,
    "consumes its task queue again when that was deleted and declared anew",
    TASKS,
    alone=True,
)
async def _queue_again(trial: Trial) -> None:
    await trial.delete_task_queue()
    # If a queue of the same name is there at once, RabbitMQ takes it for the one that the consumer has, and
    # tells it nothing: no worker can know that.
    await asyncio.sleep(2 * trial.patience.silence)
    await trial.declare_task_queue()
    _expect(await trial.is_consumed(), f"Within {trial.patience.answer:g} s it did not consume the new queue.")
    _expect(await (await trial.give("echo", 1)).completed() == 1, "The next task was done wrong.")
