"""Activities that a client starts by themselves, without a workflow of the user's: each is one of dalsegno's
own.

receipt = await client.execute_activity(charge, order, id=f"charge-{order.number}", task_queue="payments")
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Generic, Required, TypedDict, TypeVar, Unpack, overload
from uuid import uuid4

from dalsegno import given
from dalsegno._activity_call import UNSET, activity_call, type_of_activity
from dalsegno._runtime import ActivityCall
from dalsegno.broker.protocol.messages import Description, Reply, StartWorkflow
from dalsegno.client.conversation import Conversation
from dalsegno.client.engine import BrokerEngine, EnginePort
from dalsegno.client.handle import WorkflowHandle
from dalsegno.converter import result_hint
from dalsegno.data_converter import DataConverter
from dalsegno.errors import ActivityError, ActivityFailureError, WorkflowFailedError
from dalsegno.interceptors.client import NOT_INTERCEPTED, StartStandaloneActivityInput
from dalsegno.interceptors.headers import encoded
from dalsegno.payload import Payload
from dalsegno.policies import (
    Duration,
    RetryPolicy,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
    to_microseconds,
)
from dalsegno.priority import Priority
from dalsegno.standalone_activity import STANDALONE_ACTIVITY, RetryOfStandalone, StandaloneActivity

A = TypeVar("A")
T = TypeVar("T")
R = TypeVar("R", covariant=True)


class StandaloneActivityOptions(TypedDict, total=False):
    """How a standalone activity is to be run; only `id` must be given. Durations are seconds, or timedeltas."""

    id: Required[str]
    """Yours to choose, of 1 to 200 bytes. It is the ID of the workflow that runs the activity."""
    task_queue: str
    """Where its workers listen ("default")."""
    start_to_close_timeout: Duration | None
    """For one attempt; default 600. None: without limit."""
    schedule_to_close_timeout: Duration | None
    """For all attempts together, and the waiting between them."""
    schedule_to_start_timeout: Duration | None
    """For one attempt to find a worker."""
    heartbeat_timeout: Duration | None
    """Between two calls of activity.heartbeat."""
    retry_policy: RetryPolicy | None
    priority: Priority | None
    """How urgent it is among the tasks of its task queue (3, the ordinary)."""
    id_conflict_policy: WorkflowIDConflictPolicy
    """What happens when one with this ID is under way (FAIL)."""
    id_reuse_policy: WorkflowIDReusePolicy
    """What happens when one with this ID has ended (ALLOW_DUPLICATE)."""
    result_type: Any
    """What the result is to be restored as; default: the activity's annotation."""
    message_id: str
    """Makes the start idempotent: another with the same ID and message ID is the same start."""
    timeout: float
    """Seconds for the engine to accept the start (the client's timeout)."""


class StandaloneActivityOptionsAndArgs(StandaloneActivityOptions, total=False):
    """The options, with the arguments among them."""

    args: Sequence[Any]


_OF_THE_START = ("id", "id_conflict_policy", "id_reuse_policy", "message_id", "timeout")


class StandaloneActivityHandle(Generic[R]):
    """One standalone activity, as its client sees it."""

    def __init__(self, engine: EnginePort, activity_id: str, *, run_id: str | None, result_type: Any) -> None:
        self.id = activity_id
        self.run_id = run_id
        self._workflow: WorkflowHandle[R] = WorkflowHandle(
            engine, activity_id, run_id=run_id, pinned=run_id is not None, result_type=result_type
        )

    async def result(self, *, timeout: float | None = None) -> R:
        """What the activity returned. Waits for `timeout` seconds, or for ever.

        Raises ActivityFailureError when it failed for good, was cancelled or terminated; NoAnswerError (a
        TimeoutError) when time is up.
        """
        try:
            return await self._workflow.result(timeout=timeout)
        except WorkflowFailedError as failed:
            cause = failed.__cause__
            if isinstance(cause, ActivityError):
                cause = cause.__cause__ or cause
            raise ActivityFailureError(
                f"Activity {self.id!r} did not complete.", activity_id=self.id
            ) from cause

    async def cancel(self, reason: str = "", *, timeout: float | None = None) -> None:
        """Ask it to stop. Whether it does, and how it ends, is up to its code."""
        await self._workflow.cancel(reason, timeout=timeout)

    async def terminate(self, reason: str = "", *, timeout: float | None = None) -> None:
        """End it now, whatever its worker does; that is asked to stop, too."""
        await self._workflow.terminate(reason, timeout=timeout)

    async def describe(self, *, timeout: float | None = None) -> Description:
        """Of the workflow that runs it. While it is under way, it is the only one of the
        `pending_activities`."""
        return await self._workflow.describe(timeout=timeout)

    def __repr__(self) -> str:
        return f"<StandaloneActivityHandle id={self.id!r} run_id={self.run_id!r}>"


class StartingActivities:
    """The part of a client that starts activities by themselves, and finds them again."""

    _engine: BrokerEngine

    @overload
    async def start_activity(
        self, activity: Callable[[], Awaitable[T]], **options: Unpack[StandaloneActivityOptions]
    ) -> StandaloneActivityHandle[T]: ...
    @overload
    async def start_activity(
        self, activity: Callable[[A], Awaitable[T]], arg: A, **options: Unpack[StandaloneActivityOptions]
    ) -> StandaloneActivityHandle[T]: ...
    @overload
    async def start_activity(
        self,
        activity: Callable[..., Awaitable[T]],
        *,
        args: Sequence[Any],
        **options: Unpack[StandaloneActivityOptions],
    ) -> StandaloneActivityHandle[T]: ...
    @overload
    async def start_activity(
        self, activity: Callable[[], T], **options: Unpack[StandaloneActivityOptions]
    ) -> StandaloneActivityHandle[T]: ...
    @overload
    async def start_activity(
        self, activity: Callable[[A], T], arg: A, **options: Unpack[StandaloneActivityOptions]
    ) -> StandaloneActivityHandle[T]: ...
    @overload
    async def start_activity(
        self, activity: Callable[..., T], *, args: Sequence[Any], **options: Unpack[StandaloneActivityOptions]
    ) -> StandaloneActivityHandle[T]: ...
    @overload
    async def start_activity(
        self, activity: str, arg: Any = ..., **options: Unpack[StandaloneActivityOptionsAndArgs]
    ) -> StandaloneActivityHandle[Any]: ...
    async def start_activity(
        self,
        activity: Callable[..., Any] | str,
        arg: Any = UNSET,
        **options: Unpack[StandaloneActivityOptionsAndArgs],
    ) -> StandaloneActivityHandle[Any]:
        """Start an activity without a workflow of yours; returns when the start is durable.

        `activity` is a function with @activity.defn, or the name of an activity that is written elsewhere; a
        method may be given as `Class.method`. Raises WorkflowAlreadyStartedError where the policies don't allow
        another with its ID; TypeError, ValueError and PayloadError for what cannot be.
        """
        if "id" not in options:
            raise TypeError("A standalone activity needs an id, which names it from now on.")
        if "on_exhausted" in options:
            raise TypeError("A standalone activity has no option 'on_exhausted': call it from a workflow.")
        if self._engine.outbound is NOT_INTERCEPTED:
            return await self._start_activity(activity, arg, options, {})

        async def send(said: StartStandaloneActivityInput) -> StandaloneActivityHandle[Any]:
            same = said.activity == named
            anew: Any = {**said.options, "id": said.id, "args": said.args}
            return await self._start_activity(activity if same else said.activity, UNSET, anew, said.headers)

        named = type_of_activity(activity)
        values = tuple(options.get("args", ())) if arg is UNSET else (arg,)
        others = {key: value for key, value in options.items() if key not in ("id", "args")}
        said = StartStandaloneActivityInput(named, values, options["id"], others, {}, send)
        handle: StandaloneActivityHandle[Any] = await self._engine.outbound.start_activity(said)
        return handle

    async def _start_activity(
        self,
        activity: Callable[..., Any] | str,
        arg: Any,
        options: StandaloneActivityOptionsAndArgs,
        headers: Mapping[str, Payload],
    ) -> StandaloneActivityHandle[Any]:
        converter = self._engine.converter.of_workflow(given.plain("id", options["id"]))
        plain: dict[str, Any] = {key: value for key, value in options.items() if key not in _OF_THE_START}
        call = activity_call(converter, "", activity, arg, activity_id=options["id"], **plain)
        message = _start(call, options, encoded(headers, converter))
        message_id = options.get("message_id")
        with Conversation(self._engine.links, converter) as conversation:
            reply = await conversation.ask(
                Reply,
                message,
                message_id=str(uuid4()) if message_id is None else given.name("message_id", message_id),
                timeout=options.get("timeout", self._engine.timeout),
                kind="accepted",
            )
        return StandaloneActivityHandle(
            self._engine, message.workflow_id, run_id=reply.run_id, result_type=call.result_hint
        )

    @overload
    async def execute_activity(
        self, activity: Callable[[], Awaitable[T]], **options: Unpack[StandaloneActivityOptions]
    ) -> T: ...
    @overload
    async def execute_activity(
        self, activity: Callable[[A], Awaitable[T]], arg: A, **options: Unpack[StandaloneActivityOptions]
    ) -> T: ...
    @overload
    async def execute_activity(
        self,
        activity: Callable[..., Awaitable[T]],
        *,
        args: Sequence[Any],
        **options: Unpack[StandaloneActivityOptions],
    ) -> T: ...
    @overload
    async def execute_activity(
        self, activity: Callable[[], T], **options: Unpack[StandaloneActivityOptions]
    ) -> T: ...
    @overload
    async def execute_activity(
        self, activity: Callable[[A], T], arg: A, **options: Unpack[StandaloneActivityOptions]
    ) -> T: ...
    @overload
    async def execute_activity(
        self, activity: Callable[..., T], *, args: Sequence[Any], **options: Unpack[StandaloneActivityOptions]
    ) -> T: ...
    @overload
    async def execute_activity(
        self, activity: str, arg: Any = ..., **options: Unpack[StandaloneActivityOptionsAndArgs]
    ) -> Any: ...
    async def execute_activity(self, activity: Any, arg: Any = UNSET, **options: Any) -> Any:
        """Start an activity and wait for its result; see `start_activity` and the handle's `result`."""
        handle: StandaloneActivityHandle[Any] = await self.start_activity(activity, arg, **options)
        return await handle.result()

    def get_activity_handle(
        self, activity_id: str, *, run_id: str | None = None, result_type: Any = Any
    ) -> StandaloneActivityHandle[Any]:
        """A handle to a standalone activity that may or may not exist: nothing is asked yet."""
        return StandaloneActivityHandle(
            self._engine,
            given.plain("activity_id", activity_id),
            run_id=None if run_id is None else given.plain("run_id", run_id),
            result_type=result_hint(result_type, self._engine.converter),
        )


def _start(
    call: ActivityCall, options: StandaloneActivityOptionsAndArgs, headers: dict[str, Payload]
) -> StartWorkflow:
    """Raises TypeError and ValueError, which name the option."""
    asked = StandaloneActivity(
        activity_type=call.activity_type,
        start_to_close=call.start_to_close,
        schedule_to_close=call.schedule_to_close,
        schedule_to_start=call.schedule_to_start,
        heartbeat_timeout=call.heartbeat_timeout,
        retry=None if call.retry_policy is None else _retry(call.retry_policy),
    )
    conflict = options.get("id_conflict_policy", WorkflowIDConflictPolicy.FAIL)
    reuse = options.get("id_reuse_policy", WorkflowIDReusePolicy.ALLOW_DUPLICATE)
    assert call.activity_id is not None
    return StartWorkflow(
        workflow_id=call.activity_id,
        workflow_type=STANDALONE_ACTIVITY,
        task_queue=call.task_queue or "default",
        # Its own argument is dalsegno's; those behind it are the activity's, as the client's converter has it.
        args=(DataConverter.default.to_payload(asked), *call.args),
        replies=("accepted",),
        conflict_policy=given.choice("id_conflict_policy", conflict, WorkflowIDConflictPolicy),
        reuse_policy=given.choice("id_reuse_policy", reuse, WorkflowIDReusePolicy),
        priority=call.level,
        headers=headers,
    )


def _retry(policy: RetryPolicy) -> RetryOfStandalone:
    longest = policy.maximum_interval
    return RetryOfStandalone(
        initial_interval=to_microseconds(policy.initial_interval),
        backoff_coefficient=policy.backoff_coefficient,
        maximum_interval=None if longest is None else to_microseconds(longest),
        maximum_attempts=policy.maximum_attempts,
        non_retryable_error_types=list(policy.error_types),
    )
