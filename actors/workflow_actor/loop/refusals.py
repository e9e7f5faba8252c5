"""What stands in the runtime's place while user code may do nothing, or may only read.

A coroutine that is dropped, or left for a sign, passes its `finally` and `async with` blocks on the way out.
What they ask for then must not happen, and they must not go on; so each call raises a BaseException of ours,
which continues the unwinding. A query handler or condition gets an ordinary error instead: it is a bug.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Literal, NoReturn

from dalsegno._runtime import ReadOnlyError, WorkflowRuntime

SoonPolicy = Literal["run", "ignore", "refuse"]
"""What becomes of `call_soon`: an asyncio.Lock that is released on the way out wakes its next waiter by it."""


class UnwindingError(BaseException):
    """Passes through user code that is to end without a trace. Not for users to catch."""


class DroppedError(UnwindingError):
    """The program is being dropped: its workflow sleeps, or moves to another host."""


class SignReachedError(UnwindingError):
    """workflow.checkpoint was called: the run method is being left, to begin again from the sign."""


class Refusal(ABC):
    """`what` names what was asked for, for people."""

    __slots__ = ()
    soon: SoonPolicy = "refuse"
    muted = True

    @abstractmethod
    def refuse(self, what: str) -> NoReturn: ...

    def refuse_to_wake(self) -> NoReturn:
        self.refuse("asyncio (an Event, Queue, Future or Task that others wait for)")

    def __getattr__(self, name: str) -> Any:
        self.refuse(f"workflow.{name}")


class DroppedRefusal(Refusal):
    __slots__ = ()
    soon: SoonPolicy = "ignore"

    def refuse(self, what: str) -> NoReturn:
        raise DroppedError(f"{what} was called while the workflow was being dropped from memory.")


class SignRefusal(Refusal):
    __slots__ = ()
    soon: SoonPolicy = "run"

    def refuse(self, what: str) -> NoReturn:
        raise SignReachedError(
            f"{what} was called after workflow.checkpoint, on the way out of the run method."
        )


_READABLE = frozenset(
    {
        *("info", "converter", "memo", "search_attributes", "now", "replaying"),
        *("handler", "all_handlers_finished"),
        *("history", "headers", "last_failure", "last_result"),
        *("instance", "cancellation_reason", "details", "is_failure_exception"),
        *("random", "uuid4", "uuid7"),
    }
)
"""random, uuid4 and uuid7: their counters are put back after a query."""


class ReadOnlyRefusal(Refusal):
    """Lets through what only reads. `muted` follows the runtime."""

    __slots__ = ("_runtime", "_where", "woke")
    soon: SoonPolicy = "refuse"

    def __init__(self, runtime: WorkflowRuntime, where: str) -> None:
        self._runtime = runtime
        self._where = where
        self.woke = False
        """Whether a task was to be woken: then what it waits for is done, and it will never know."""

    @property
    def muted(self) -> bool:  # type: ignore[override]
        return self._runtime.muted

    def refuse(self, what: str) -> NoReturn:
        raise ReadOnlyError(f"{what} was called in {self._where}, which may only read.")

    def refuse_to_wake(self) -> NoReturn:
        self.woke = True
        super().refuse_to_wake()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._runtime, name) if name in _READABLE else self.refuse(f"workflow.{name}")


DROPPED = DroppedRefusal()
SIGN_REACHED = SignRefusal()
