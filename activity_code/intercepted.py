"""Interceptors around the code of one attempt. They run on the event loop; where the code has a thread, that
waits meanwhile, and calls the function when the last of them hands it over."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Sequence
from queue import SimpleQueue
from typing import Any, Protocol

from dalsegno.activity import Context, Info, current_context
from dalsegno.interceptors.activities import (
    ActivityInboundInterceptor,
    ActivityOutboundInterceptor,
    ExecuteActivityInput,
)
from dalsegno.interceptors.headers import decoded
from dalsegno.interceptors.worker import WorkerInterceptor
from dalsegno.payload import Payload

Call = Callable[[Callable[..., Any], Sequence[Any]], Awaitable[Any]]
"""Calls a function with arguments, and returns what it does."""


class InterceptedAttempt(Context, Protocol):
    """(It is `context.AttemptContext`.)"""

    interceptors: Sequence[WorkerInterceptor]

    @property
    def headers(self) -> dict[str, Payload]: ...


class LastActivityOutbound(ActivityOutboundInterceptor):
    """The end of the chain: the attempt itself."""

    def __init__(self, context: InterceptedAttempt) -> None:
        self._context = context

    def info(self) -> Info:
        return self._context.info

    def heartbeat(self, *details: Any) -> None:
        self._context.heartbeat(*details)


class LastActivityInbound(ActivityInboundInterceptor):
    """The other end, where the user's code is. `outbound` is what that asks by, once it was told."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self.outbound: ActivityOutboundInterceptor | None = None

    def init(self, outbound: ActivityOutboundInterceptor) -> None:
        self.outbound = outbound

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        return await self._call(input.fn, input.args)


class InterceptedContext:
    """What the code sees as its attempt: what it asks goes by the interceptors, the rest is the attempt's."""

    def __init__(self, context: InterceptedAttempt, outbound: ActivityOutboundInterceptor) -> None:
        self._context = context
        self._outbound = outbound

    @property
    def info(self) -> Info:
        return self._outbound.info()

    def heartbeat(self, *details: Any) -> None:
        self._outbound.heartbeat(*details)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)


async def intercepted(
    context: InterceptedAttempt, function: Callable[..., Any], args: Sequence[Any], call: Call
) -> Any:
    """What the function does, or the interceptors instead, in a task of its own. Raises PayloadError for
    headers that cannot be read."""
    last = LastActivityInbound(call)
    inbound: ActivityInboundInterceptor = last
    for interceptor in reversed(context.interceptors):
        inbound = interceptor.intercept_activity(inbound)
    inbound.init(LastActivityOutbound(context))
    if last.outbound is None:
        raise RuntimeError("One of the interceptors has an `init` that does not call the next one's.")
    seen: Any = InterceptedContext(context, last.outbound)
    current_context.set(seen)
    headers = decoded(context.headers, context.converter)
    return await inbound.execute_activity(ExecuteActivityInput(function, args, None, headers))


async def awaited(function: Callable[..., Any], args: Sequence[Any]) -> Any:
    """Of an async activity."""
    return await function(*args)


class HandedOver:
    """A call for the thread of a sync activity, from the loop."""

    def __init__(self, function: Callable[..., Any], args: Sequence[Any]) -> None:
        self._loop = asyncio.get_running_loop()
        self.outcome: asyncio.Future[Any] = self._loop.create_future()
        self._function = function
        self._args = args
        self._context = contextvars.copy_context()

    def run(self, call: Callable[[Callable[..., Any], Sequence[Any]], Any]) -> None:
        """In the thread, with what the interceptors have put into the context."""
        try:
            result = self._context.run(call, self._function, self._args)
        except BaseException as error:  # noqa: BLE001 - the border of the activity: it is its outcome
            self._settle(None, error)
        else:
            self._settle(result, None)

    def _settle(self, result: Any, error: BaseException | None) -> None:
        if isinstance(error, StopIteration):  # a future takes none
            failed = RuntimeError("the activity raised StopIteration")
            failed.__cause__ = error
            error = failed

        def settle() -> None:
            if self.outcome.done():
                return
            if error is None:
                self.outcome.set_result(result)
            else:
                self.outcome.set_exception(error)

        self._loop.call_soon_threadsafe(settle)


def intercepted_in_thread(
    context: InterceptedAttempt,
    function: Callable[..., Any],
    args: Sequence[Any],
    call: Callable[[Callable[..., Any], Sequence[Any]], Any],
    loop: asyncio.AbstractEventLoop,
) -> Any:
    """As `intercepted`, from a thread, in which the function is called by `call`."""
    calls: SimpleQueue[HandedOver | None] = SimpleQueue()

    async def hand_over(called: Callable[..., Any], given: Sequence[Any]) -> Any:
        handed = HandedOver(called, given)
        calls.put(handed)
        return await handed.outcome

    chain = asyncio.run_coroutine_threadsafe(intercepted(context, function, args, hand_over), loop)
    chain.add_done_callback(lambda _: calls.put(None))
    while (handed := calls.get()) is not None:
        handed.run(call)
    return chain.result()
