"""Runs on the wire: what is asked of a run whatever its code can do, and what is answered and told of it."""

from __future__ import annotations

from msgspec.structs import asdict, replace

from dalsegno.actors.supervisor.wire import replies
from dalsegno.actors.supervisor.wire.form import Address, Commands, Forms, WireForm, caller_of, workflow_of
from dalsegno.actors.workflow_actor.interface.cause import AwaitOutcome, Cause
from dalsegno.actors.workflow_actor.interface.commands import (
    Caller,
    Cancel,
    ClientCommand,
    Describe,
    Resume,
    Start,
    Suspend,
    Terminate,
)
from dalsegno.actors.workflow_actor.interface.effects import AnswerEffect, ResultEffect
from dalsegno.actors.workflow_actor.interface.retries import RetrySchedule
from dalsegno.actors.workflow_actor.interface.workflow_of import RootOf
from dalsegno.broker.port import Message
from dalsegno.broker.protocol import messages as wire
from dalsegno.broker.protocol.ids import run_id

# --- what is asked -----------------------------------------------------------------------------------------


def start(body: wire.StartWorkflow, message: Message, then: ClientCommand | None = None) -> Start:
    """`then`: what comes with it. What is said of a child is said of one that has a parent."""
    root = body.root
    return Start(
        workflow_id=body.workflow_id,
        run_id=run_id(body.workflow_id, message.message_id),
        workflow_type=body.workflow_type,
        task_queue=body.task_queue,
        args=body.args,
        conflict_policy=body.conflict_policy,
        reuse_policy=body.reuse_policy,
        execution_timeout=body.execution_timeout,
        run_timeout=body.run_timeout or None,
        retry=None if body.retry_policy is None else RetrySchedule(**asdict(body.retry_policy)),
        delay=body.start_delay or None,
        memo=body.memo,
        search_attributes=body.search_attributes,
        caller=_waiting(body, message),
        wants_accepted="accepted" in body.replies,
        wants_result="result" in body.replies,
        then=then,
        parent=None if body.parent is None else workflow_of(body.parent),
        root=None if body.parent is None or root is None else RootOf(root.workflow_id, root.run_id),
        last_result=None if body.parent is None else body.last_result,
        last_failure=None if body.parent is None else body.last_failure,
        priority=body.priority,
        headers=body.headers,
    )


def _await_outcome(body: wire.AwaitResult, message: Message) -> AwaitOutcome:
    return AwaitOutcome(run_id=body.run_id, caller=_waiting(body, message), follow_runs=body.follow_runs)


def _waiting(body: wire.StartWorkflow | wire.AwaitResult, message: Message) -> Caller | None:
    """Who waits for a result, with what it wants to hear meanwhile."""
    caller = caller_of(message)
    return caller if caller is None or not body.tell_suspended else replace(caller, tell_suspended=True)


def _cancel(body: wire.CancelWorkflow, message: Message) -> Cancel:
    return Cancel(
        reason=body.reason,
        run_id=body.run_id,
        caller=caller_of(message),
        asker=None if body.answer_to is None else workflow_of(body.answer_to),
        child_of=None if body.child_of is None else workflow_of(body.child_of),
    )


def _terminate(body: wire.TerminateWorkflow, message: Message) -> Terminate:
    return Terminate(
        reason=body.reason,
        run_id=body.run_id,
        caller=caller_of(message),
        asker=None if body.answer_to is None else workflow_of(body.answer_to),
        child_of=None if body.child_of is None else workflow_of(body.child_of),
    )


def _suspend(body: wire.SuspendWorkflow, message: Message) -> Suspend:
    return Suspend(reason=body.reason, run_id=body.run_id, caller=caller_of(message))


def _resume(body: wire.ResumeWorkflow, message: Message) -> Resume:
    return Resume(run_id=body.run_id, caller=caller_of(message))


def _describe(body: wire.DescribeWorkflow, message: Message) -> Describe:
    return Describe(run_id=body.run_id, caller=caller_of(message))


COMMANDS: Commands = {
    wire.StartWorkflow: start,
    wire.CancelWorkflow: _cancel,
    wire.TerminateWorkflow: _terminate,
    wire.SuspendWorkflow: _suspend,
    wire.ResumeWorkflow: _resume,
    wire.DescribeWorkflow: _describe,
    wire.AwaitResult: _await_outcome,
}

# --- what is answered and told -----------------------------------------------------------------------------


def _to_caller(effect: AnswerEffect | ResultEffect) -> Address:
    return Address("", effect.caller.reply_to)


def _reply(effect: AnswerEffect | ResultEffect, message_id: str, _: str | None) -> Message:
    """One that says so, where no message can carry it."""
    return replies.sendable(replies.of_effect(effect), effect.caller, message_id)


def _answer_id(effect: AnswerEffect, cause: Cause) -> str:
    return replies.message_id_of(effect.caller, cause.message_id, f"{effect.kind} {cause.message_type}")


def _result_id(effect: ResultEffect, cause: Cause) -> str:
    return replies.message_id_of(effect.caller, cause.message_id, f"result {cause.message_type}")


FORMS: Forms = {
    AnswerEffect: WireForm(_to_caller, _reply, is_to_reader=True, transient_id=_answer_id),
    ResultEffect: WireForm(_to_caller, _reply, is_to_reader=True, transient_id=_result_id),
}
