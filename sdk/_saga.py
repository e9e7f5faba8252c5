"""Sagas, as workflow code has them: steps, each with what undoes it, recorded before the step is tried."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from inspect import isawaitable
from types import TracebackType
from typing import Any, Literal, Protocol, Self, TypeVar, Unpack, cast, overload

from msgspec.structs import replace

from dalsegno import given
from dalsegno._activities import ActivityOptions, ActivityOptionsAndArgs
from dalsegno._activity_call import UNSET, activity_call, signature_of_activity
from dalsegno._call_site import call_site
from dalsegno._runtime import ActivityCall, current_runtime
from dalsegno.converter import signature_of
from dalsegno.data_converter import DataConverter
from dalsegno.definition import NAME_ATTRIBUTE
from dalsegno.errors import ApplicationError, CompensationError, PayloadError
from dalsegno.payload import Payload
from dalsegno.policies import ActivityCancellationType

A = TypeVar("A")
T = TypeVar("T")

Undo = Callable[..., Any] | str | tuple[Callable[..., Any] | str, Sequence[Any]]
"""An activity, or its name: it is called with the step's arguments, and with what the step returned if it takes
one argument more. A pair of an activity and its arguments: with those. Any other function: workflow code that
undoes the step, and may take what that returned."""


MESSAGE_CHARACTERS_MAX = 2_000


@dataclass(slots=True, eq=False)
class PendingUndo:
    """One on a saga's stack. `number` is its step's; `call` undoes it, or `code` does."""

    name: str
    step_type: str
    line: str
    call: ActivityCall | None
    code: Callable[..., Any] | None
    takes_result: bool
    result_hint: Any
    number: int = 0
    result: Any = None
    """What the step returned; None as long as that is not known."""
    payload: Payload | None = None
    """The same for an activity."""


class SagaStack(Protocol):
    """The program's part of one saga. `pending` are in the order in which they were pushed."""

    pending: dict[int, PendingUndo]

    async def step(
        self, call: ActivityCall, compensation: PendingUndo, note: Callable[[PendingUndo, Any], None]
    ) -> Any:
        """Record the compensation, run the step, and `note` what it returned. Of one that has never begun
        nothing is left."""

    @property
    def run_has_failed(self) -> bool:
        """Elsewhere than in its method, which is still to end: what was done is to be undone then."""

    def close(self) -> None:
        """Nothing of it is to be undone any more."""

    def begin(self) -> list[PendingUndo]:
        """What is to be undone, in this order. It is recorded that this begins."""

    def end(self) -> None:
        """All that was begun with is settled."""

    def settle(self, compensation: PendingUndo, error: Exception | None) -> None:
        """It is undone, or failed for good."""

    def undo_by_activity(self, call: ActivityCall) -> Awaitable[Any]: ...

    def ends_run(self, error: BaseException) -> bool:
        """Whether it fails or cancels the run, if nothing catches it. For a bug the workflow is suspended."""


class Saga:
    """Steps that are undone together: see `workflow.saga`."""

    def __init__(self, stack: SagaStack, converter: DataConverter) -> None:
        self._stack = stack
        self._converter = converter
        self._steps: dict[asyncio.Future[None], asyncio.Task[Any]] = {}
        """Steps that are under way, by what is done when they have ended, and the tasks that wait for them."""
        self._phase: Literal["open", "undoing", "over"] = "open"
        self._undoing: asyncio.Task[list[tuple[str, Exception]]] | None = None
        """What has failed for good, when all is undone."""
        self.undone: list[str] = []
        """The names of what has undone its step, in that order."""

    @overload
    async def do(
        self,
        step: Callable[[], Awaitable[T]],
        *,
        undo: Undo,
        undo_options: ActivityOptions | None = None,
        **options: Unpack[ActivityOptions],
    ) -> T: ...

    @overload
    async def do(
        self,
        step: Callable[[A], Awaitable[T]],
        arg: A,
        *,
        undo: Undo,
        undo_options: ActivityOptions | None = None,
        **options: Unpack[ActivityOptions],
    ) -> T: ...

    @overload
    async def do(
        self,
        step: Callable[..., Awaitable[T]],
        *,
        args: Sequence[Any],
        undo: Undo,
        undo_options: ActivityOptions | None = None,
        **options: Unpack[ActivityOptions],
    ) -> T: ...

    @overload
    async def do(
        self,
        step: Callable[..., Any] | str,
        arg: Any = ...,
        *,
        undo: Undo,
        undo_options: ActivityOptions | None = None,
        **options: Unpack[ActivityOptionsAndArgs],
    ) -> Any: ...

    async def do(
        self,
        step: Callable[..., Any] | str,
        arg: Any = UNSET,
        *,
        undo: Undo,
        undo_options: ActivityOptions | None = None,
        **options: Unpack[ActivityOptionsAndArgs],
    ) -> Any:
        """Run an activity and return its result, as workflow.execute_activity does; `undo` is recorded before.

        `undo` undoes the step: also one that has failed or was cancelled, unless it is known that it has never
        begun, for a step that failed may have done something. What the step returned is None then. It is an
        activity, which is given the step's arguments and, if it takes one more, what the step returned;
        `(activity, args)`, which is given those; or a function of workflow code, which is given what the step
        returned if it takes an argument. `undo_options` are the activity's, its retry policy among them.

        A step that is cancelled is waited for until its worker has let go of it, unless `cancellation_type`
        says otherwise, so that it is not undone while it is still being done. Raises what execute_activity
        raises; TypeError for an `undo` that cannot be, PayloadError for its arguments, both before anything is
        done.
        """
        runtime = current_runtime("saga")
        line = call_site(sys._getframe(1))
        options.setdefault("cancellation_type", ActivityCancellationType.WAIT_CANCELLATION_COMPLETED)
        call = runtime.activity_call(runtime.converter, line, step, arg, **options)
        values = tuple(options.get("args", ())) if arg is UNSET else (arg,)
        compensation = self._compensation(call, values, undo, undo_options, line)
        self._require_open()
        ended = asyncio.get_running_loop().create_future()
        self._steps[ended] = cast("asyncio.Task[Any]", asyncio.current_task())
        try:
            return await self._stack.step(call, compensation, self._note)
        finally:
            del self._steps[ended]
            if not ended.done():
                ended.set_result(None)

    def _require_open(self) -> None:
        """A task that goes on beside the undoing is cancelled as those are that had a step under way."""
        if self._phase == "undoing":
            raise asyncio.CancelledError("the saga is being undone")
        if self._phase == "over":
            raise RuntimeError("This saga has ended: open another one, by workflow.saga(), for further steps.")

    def _note(self, compensation: PendingUndo, result: Any) -> None:
        compensation.result = result
        if compensation.call is not None and compensation.takes_result:
            compensation.payload = self._converter.to_payload(result, compensation.result_hint)

    def _compensation(
        self,
        step: ActivityCall,
        values: Sequence[Any],
        undo: Any,
        options: ActivityOptions | None,
        line: str,
    ) -> PendingUndo:
        """Raises TypeError and PayloadError for an `undo` that cannot be."""
        takes_result, hint = False, None
        args: Sequence[Any] = values
        if isinstance(undo, tuple):
            if len(undo) != 2:
                raise given.wrong_type("undo", undo, "an activity, (activity, args) or a function")
            undo, args = undo[0], given.arguments("The arguments of undo", undo[1])
        elif _is_code(undo):
            if options is not None:
                raise TypeError(
                    "undo_options are those of an activity, but undo is a function of workflow code."
                )
            required, name = signature_of(undo).required, getattr(undo, "__name__", type(undo).__name__)
            if required > 1:
                raise TypeError(f"undo is given what the step returned, but {name} takes {required} arguments.")
            takes_result = required == 1
            return PendingUndo(name, step.activity_type, line, None, undo, takes_result, None)
        elif (signature := signature_of_activity(undo)) is not None and signature.accepts(len(values) + 1):
            parameter = signature.parameter(len(values))
            takes_result, hint = True, Any if parameter is None else parameter.type_hint
            args = (*values, None)
            _require_none(self._converter, hint, undo)
        given_options: dict[str, Any] = {**(options or {}), "args": args, "result_type": Any}
        call = activity_call(self._converter, line, undo, UNSET, **given_options)
        return PendingUndo(call.activity_type, step.activity_type, line, call, None, takes_result, hint)

    async def compensate(self) -> list[str]:
        """Undo what was done, newest first, and return the names of what has undone it.

        Steps that are still under way are cancelled before. What fails for good is passed over, and
        CompensationError raised at the end. A cancellation, of the workflow too, does not break it off: it is
        seen when all is undone. No step can be done afterwards.
        """
        current_runtime("saga")
        interrupted = await self._compensate(None)
        if interrupted is not None:
            raise interrupted
        return list(self.undone)

    def close(self) -> None:
        """What was done stays: nothing of it is to be undone any more. The end of `async with` does this."""
        current_runtime("saga")
        self._phase = "over"
        self._stack.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None
    ) -> None:
        if error is None:
            if not self._stack.run_has_failed:
                self.close()
        elif isinstance(error, Exception | asyncio.CancelledError) and self._stack.ends_run(error):
            await self._compensate(error)

    @property
    def is_being_undone(self) -> bool:
        return self._phase == "undoing"

    async def wait_undone(self) -> None:
        """Returns when all is undone, if that has begun. A cancellation does not break it off."""
        if self._undoing is not None:
            await _finished(self._undoing)

    async def undo_before_end(self, error: BaseException) -> BaseException:
        """The run is about to end with that. Returns what it ends with."""
        if self._undoing is not None:  # another task has begun with it, and is told how it went
            await self.wait_undone()
            return error
        try:
            await self._compensate(error)
        except CompensationError as failed:
            return failed
        return error

    async def _compensate(self, left_by: BaseException | None) -> asyncio.CancelledError | None:
        """In a task of its own, so that nothing cancels it. Returns the first that would have."""
        if self._phase == "over":
            return None
        if self._phase == "undoing":
            raise RuntimeError("This saga is being undone already.")
        self._phase = "undoing"
        for task in self._steps.values():
            task.cancel()
        self._undoing = asyncio.get_running_loop().create_task(self._undo_all(list(self._steps)))
        interrupted = await _finished(self._undoing)
        self._phase = "over"
        self._stack.end()
        failed = self._undoing.result()
        if failed:
            texts = "; ".join(f"{name}: {error}" for name, error in failed)
            of = len(failed) + len(self.undone)
            message = f"{len(failed)} of {of} compensations failed: {texts}"[:MESSAGE_CHARACTERS_MAX]
            raise CompensationError(message, [error for _, error in failed]) from left_by
        return interrupted

    async def _undo_all(self, steps: Sequence[asyncio.Future[None]]) -> list[tuple[str, Exception]]:
        """What has failed for good."""
        if steps:
            await asyncio.wait(steps)
        failed: list[tuple[str, Exception]] = []
        for compensation in self._stack.begin():
            try:
                await self._undo(compensation)
            except (Exception, asyncio.CancelledError) as raised:
                if not self._stack.ends_run(raised):
                    raise
                error = raised if isinstance(raised, Exception) else ApplicationError("it was cancelled")
                self._stack.settle(compensation, error)
                failed.append((compensation.name, error))
            else:
                self._stack.settle(compensation, None)
                self.undone.append(compensation.name)
        return failed

    async def _undo(self, compensation: PendingUndo) -> None:
        if compensation.call is not None:
            call, payload = compensation.call, compensation.payload
            await self._stack.undo_by_activity(call if payload is None else with_result(call, payload))
            return
        assert compensation.code is not None
        outcome = compensation.code(*((compensation.result,) if compensation.takes_result else ()))
        if isawaitable(outcome):
            await outcome


def saga(name: str = "") -> Saga:
    """Steps that are undone together, when one that comes after them fails.

        async with workflow.saga() as saga:
            payment = await saga.do(charge, order, undo=refund)
            await saga.do(reserve, order, undo=release)
            await workflow.execute_activity(ship, order)

    What undoes a step is recorded before the step is tried, and shown by `describe`. If the run fails or is
    cancelled (the error leaves `async with`, or the run), what was done is undone, newest first; what cannot be
    undone for good is passed over, and CompensationError raised at the end. Meanwhile the run's status is
    `compensating`, and to cancel it breaks nothing off. A bug that leaves a saga undoes nothing: the workflow
    is suspended. If the block ends without an error, nothing is undone any more; `await saga.compensate()`
    undoes when you say so.

    What is on its stack goes over a sign: a saga that is opened behind it, under the same `name`, has it. A run
    that is terminated, or out of time, undoes nothing: `describe` shows what is left.
    """
    runtime = current_runtime("saga")
    return cast(Saga, runtime.open_saga(given.name("The name of a saga", name) if name else ""))


async def _finished(undoing: asyncio.Task[Any]) -> asyncio.CancelledError | None:
    """It has ended, whatever cancels who waits for it. Returns the first that would have."""
    interrupted: asyncio.CancelledError | None = None
    while not undoing.done():
        try:
            await asyncio.wait((undoing,))
        except asyncio.CancelledError as error:
            interrupted = interrupted or error
    return interrupted


def with_result(call: ActivityCall, payload: Payload) -> ActivityCall:
    """Its last argument is what the step returned; so is that of what it falls back to with its arguments."""
    fallback = call.fallback
    if fallback is not None and fallback.args == call.args:
        fallback = with_result(fallback, payload)
    return replace(call, args=(*call.args[:-1], payload), fallback=fallback)


def _is_code(undo: Any) -> bool:
    function = getattr(undo, "__func__", undo)
    return callable(undo) and getattr(function, NAME_ATTRIBUTE, None) is None


def _require_none(converter: DataConverter, hint: Any, undo: Any) -> None:
    """Its last argument can be None: it is as long as it is not known what the step returned."""
    try:
        converter.from_payload(converter.to_payload(None, hint), hint)
    except PayloadError:
        name = getattr(undo, "__name__", undo)
        raise TypeError(
            "The last argument of what undoes a step is what the step returned, and None where that is not "
            f"known: annotate that of {name} as `... | None`, or give `undo=(activity, args)`."
        ) from None
