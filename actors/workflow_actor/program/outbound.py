"""Calls of user code as interceptors see them, and the way back. Arguments that nobody has changed are the
payloads that they were."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

from msgspec.structs import replace

from dalsegno import given
from dalsegno._activity_call import UNSET, signature_of_activity
from dalsegno._runtime import (
    ActivityCall,
    ChildWorkflowCall,
    ContinueCall,
    ExternalCall,
    GivenArguments,
    LocalCall,
)
from dalsegno.converter import Signature, encode_args
from dalsegno.data_converter import DataConverter
from dalsegno.interceptors.headers import encoded
from dalsegno.interceptors.workflows import (
    ContinueAsNewInput,
    SignalChildWorkflowInput,
    SignalExternalWorkflowInput,
    StartActivityInput,
    StartChildWorkflowInput,
    StartLocalActivityInput,
)
from dalsegno.payload import Payload, RawValue
from dalsegno.policies import (
    ActivityCancellationType,
    ChildWorkflowCancellationType,
    Duration,
    ParentClosePolicy,
)
from dalsegno.priority import OF_LEVEL, given_level

Send = Callable[[Any], Any]


def with_given(call: ActivityCall, activity: Any, arg: Any, options: Mapping[str, Any]) -> ActivityCall:
    """With what it was called with."""
    values = tuple(options.get("args", ())) if arg is UNSET else (arg,)
    encode = partial(_encoded, call.activity_type, signature_of_activity(activity))
    return replace(call, given=GivenArguments(values, encode))


def _encoded(
    own: str, signature: Signature | None, name: str, values: Sequence[Any], converter: DataConverter
) -> tuple[Payload, ...]:
    return encode_args(name, values, converter, signature if name == own else None)


def _args(
    args: tuple[Payload, ...],
    known: GivenArguments | None,
    name: str,
    values: Sequence[Any],
    converter: DataConverter,
) -> tuple[Payload, ...]:
    if known is None:
        return encode_args(name, values, converter, None)
    return args if values is known.values else known.encode(name, values, converter)


def activity_input(
    call: ActivityCall, converter: DataConverter, send: Send
) -> StartActivityInput | StartLocalActivityInput:
    values: Sequence[Any]
    if call.given is None:  # it was restored from a sign, or undoes a step
        values = [converter.from_payload(payload, RawValue) for payload in call.args]
    else:
        values = call.given.values
    if call.local is not None:
        return StartLocalActivityInput(
            activity=call.activity_type,
            args=values,
            activity_id=call.activity_id,
            schedule_to_close_timeout=_span(call.schedule_to_close),
            schedule_to_start_timeout=_span(call.schedule_to_start),
            start_to_close_timeout=_span(call.start_to_close),
            retry_policy=call.retry_policy,
            local_retry_threshold=_span(call.local.retry_threshold),
            cancellation_type=ActivityCancellationType(call.cancellation_type),
            headers={},
            _send=send,
        )
    return StartActivityInput(
        activity=call.activity_type,
        args=values,
        activity_id=call.activity_id,
        task_queue=call.task_queue,
        schedule_to_close_timeout=_span(call.schedule_to_close),
        schedule_to_start_timeout=_span(call.schedule_to_start),
        start_to_close_timeout=_span(call.start_to_close),
        heartbeat_timeout=_span(call.heartbeat_timeout),
        retry_policy=call.retry_policy,
        cancellation_type=ActivityCancellationType(call.cancellation_type),
        headers={},
        priority=OF_LEVEL[call.level],
        _send=send,
    )


def as_activity(
    call: ActivityCall, said: StartActivityInput | StartLocalActivityInput, converter: DataConverter
) -> ActivityCall:
    """Raises TypeError and ValueError, which name the option, and PayloadError for arguments."""
    name = given.name("The name of an activity", said.activity)
    same = replace(
        call,
        activity_type=name,
        args=_args(call.args, call.given, name, said.args, converter),
        activity_id=said.activity_id,
        schedule_to_close=_limit("schedule_to_close_timeout", said.schedule_to_close_timeout),
        schedule_to_start=_limit("schedule_to_start_timeout", said.schedule_to_start_timeout),
        start_to_close=_limit("start_to_close_timeout", said.start_to_close_timeout),
        retry_policy=said.retry_policy,
        cancellation_type=said.cancellation_type._value_,
        headers=encoded(said.headers, converter),
        given=None,
    )
    if isinstance(said, StartLocalActivityInput):
        threshold = said.local_retry_threshold
        if call.local is None or threshold is None or threshold == _span(call.local.retry_threshold):
            return same
        local = LocalCall(given.microseconds("local_retry_threshold", threshold), call.local.summary)
        return replace(same, local=local)
    queue, priority = said.task_queue, said.priority
    return replace(
        same,
        task_queue=None if queue is None else given.task_queue("task_queue", queue),
        heartbeat_timeout=_limit("heartbeat_timeout", said.heartbeat_timeout),
        level=call.level if priority is OF_LEVEL[call.level] else given_level(priority),
    )


def child_input(call: ChildWorkflowCall, send: Send) -> StartChildWorkflowInput:
    assert call.given is not None
    return StartChildWorkflowInput(
        workflow=call.workflow_type,
        args=call.given.values,
        id=call.workflow_id,
        task_queue=call.task_queue,
        cancellation_type=ChildWorkflowCancellationType(call.cancellation_type),
        parent_close_policy=ParentClosePolicy(call.close_policy),
        execution_timeout=_span(call.execution_timeout),
        run_timeout=_span(call.run_timeout),
        id_reuse_policy=call.reuse_policy,
        retry_policy=call.retry_policy,
        headers={},
        priority=OF_LEVEL[call.level],
        _send=send,
    )


def as_child(
    call: ChildWorkflowCall, said: StartChildWorkflowInput, converter: DataConverter
) -> ChildWorkflowCall:
    """As `as_activity`. What is for another workflow is sealed for that."""
    name, known = given.name("The name of a workflow", said.workflow), call.given
    converter = converter.of_other_workflow(said.id)
    args = call.args
    if known is not None and (said.args is not known.values or said.id != call.workflow_id):
        args = known.encode(name, said.args, converter)
    queue, priority = said.task_queue, said.priority
    return replace(
        call,
        workflow_type=name,
        args=args,
        workflow_id=given.name("id", said.id),
        task_queue=None if queue is None else given.task_queue("task_queue", queue),
        cancellation_type=said.cancellation_type._value_,
        close_policy=said.parent_close_policy._value_,
        execution_timeout=_limit("execution_timeout", said.execution_timeout),
        run_timeout=_limit("run_timeout", said.run_timeout),
        reuse_policy=said.id_reuse_policy,
        retry_policy=said.retry_policy,
        level=call.level if priority is OF_LEVEL[call.level] else given_level(priority),
        headers=encoded(said.headers, converter),
        given=None,
    )


def signal_input(call: ExternalCall, send: Send) -> SignalChildWorkflowInput | SignalExternalWorkflowInput:
    assert call.given is not None
    if call.child_number is not None:
        return SignalChildWorkflowInput(
            signal=call.name,
            args=call.given.values,
            child_workflow_id=call.workflow_id,
            headers={},
            _send=send,
        )
    return SignalExternalWorkflowInput(
        signal=call.name,
        args=call.given.values,
        namespace="default",
        workflow_id=call.workflow_id,
        workflow_run_id=call.run_id,
        headers={},
        _send=send,
    )


def as_signal(
    call: ExternalCall, said: SignalChildWorkflowInput | SignalExternalWorkflowInput, converter: DataConverter
) -> ExternalCall:
    """As `as_child`."""
    workflow_id, run_id = call.workflow_id, call.run_id
    if isinstance(said, SignalExternalWorkflowInput):
        workflow_id, run_id = said.workflow_id, said.workflow_run_id
    name, known = given.name("The name of a signal", said.signal), call.given
    converter = converter.of_other_workflow(workflow_id)
    args = call.args
    if known is not None and (said.args is not known.values or workflow_id != call.workflow_id):
        args = known.encode(name, said.args, converter)
    return replace(
        call,
        name=name,
        args=args,
        workflow_id=given.name("workflow_id", workflow_id),
        run_id=run_id,
        headers=encoded(said.headers, converter),
        given=None,
    )


def next_run_input(call: ContinueCall, headers: Mapping[str, Payload], send: Send) -> ContinueAsNewInput:
    assert call.given is not None
    return ContinueAsNewInput(
        workflow=call.workflow_type,
        args=call.given.values,
        task_queue=call.task_queue,
        run_timeout=_span(call.run_timeout),
        retry_policy=call.retry_policy,
        headers=headers,
        _send=send,
    )


def as_next_run(
    call: ContinueCall, said: ContinueAsNewInput, headers: Mapping[str, Payload], converter: DataConverter
) -> ContinueCall:
    """As `as_activity`. `headers` are those of the run that goes on."""
    name, known = said.workflow, call.given
    args = call.args
    if known is not None and said.args is not known.values:
        args = known.encode(name or "", said.args, converter)
    return replace(
        call,
        workflow_type=None if name is None else given.name("The name of a workflow", name),
        args=args,
        task_queue=None if said.task_queue is None else given.task_queue("task_queue", said.task_queue),
        run_timeout=_limit("run_timeout", said.run_timeout),
        retry_policy=said.retry_policy,
        headers=None if said.headers is headers else encoded(said.headers, converter),
        given=None,
    )


def _span(microseconds: int | None) -> timedelta | None:
    return None if microseconds is None else timedelta(microseconds=microseconds)


def _limit(name: str, duration: Duration | None) -> int | None:
    return None if duration is None else given.microseconds(name, duration, positive=True)
