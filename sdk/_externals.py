"""Workflows that are not the running one's children, as its code speaks to them."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Generic, TypeVar

from dalsegno import given
from dalsegno._call_site import call_site
from dalsegno._runtime import ExternalCall, current_runtime, given_arguments
from dalsegno.converter import result_hint
from dalsegno.targets import UNSET, Target, result_type_of, signal_call

R = TypeVar("R")


class ExternalWorkflowHandle(Generic[R]):
    """Another workflow, which may or may not be there: its current run, or the one named by `run_id`."""

    def __init__(self, id: str, run_id: str | None, result_type: Any = Any) -> None:  # noqa: A002 - its name
        self.id = id
        self.run_id = run_id
        self._result_type = result_type

    def signal(
        self, signal: Target, /, *arguments: Any, arg: Any = UNSET, args: Sequence[Any] = ()
    ) -> Coroutine[Any, Any, None]:
        """Returns when the workflow has it. Raises ApplicationError of the type
        "ExternalWorkflowExecutionNotFound" if there is none that is open; at once TypeError and PayloadError
        for arguments."""
        runtime = current_runtime("ExternalWorkflowHandle.signal")
        name, payloads = signal_call(runtime.converter.of_other_workflow(self.id), signal, arguments, args, arg)
        given_ = given_arguments(signal, arguments, args, arg) if runtime.keeps_given else None
        line = call_site(sys._getframe(1))
        return runtime.ask(self._call("signal", name=name, args=payloads, line=line, given=given_))

    def cancel(self, *, reason: str = "") -> Coroutine[Any, Any, None]:
        """Returns when the workflow is asked to stop. Raises as `signal` does."""
        runtime = current_runtime("ExternalWorkflowHandle.cancel")
        why = given.text("reason", reason, characters=10_000)
        return runtime.ask(self._call("cancel", reason=why, line=call_site(sys._getframe(1))))

    def result(self, *, result_type: Any = UNSET) -> Coroutine[Any, Any, R]:
        """Wait until the workflow has ended, and return its result. It is restored as `result_type`; default:
        the annotation of the run method that the handle was made for.

        Raises WorkflowFailedError when it did not complete, and as `signal` does if there is none: of a run
        that is not the current one any more nothing is told."""
        runtime = current_runtime("ExternalWorkflowHandle.result")
        is_given = result_type is not UNSET
        hint = result_hint(result_type, runtime.converter) if is_given else self._result_type
        return runtime.ask(self._call("end", result_hint=hint, line=call_site(sys._getframe(1))))

    def terminate(self, *, reason: str = "") -> Coroutine[Any, Any, None]:
        """Returns when the workflow has been ended; its code has no say. Raises as `signal` does."""
        runtime = current_runtime("ExternalWorkflowHandle.terminate")
        why = given.text("reason", reason, characters=10_000)
        return runtime.ask(self._call("terminate", reason=why, line=call_site(sys._getframe(1))))

    def _call(self, asked: Any, **more: Any) -> ExternalCall:
        return ExternalCall(asked=asked, workflow_id=self.id, run_id=self.run_id, **more)


def get_external_workflow_handle(
    workflow_id: str,
    *,
    run_id: str | None = None,
) -> ExternalWorkflowHandle[Any]:
    """A handle to another workflow by its ID. Nothing is asked of it yet."""
    current_runtime("get_external_workflow_handle")
    return ExternalWorkflowHandle(_id(workflow_id), _run_id(run_id))


def get_external_workflow_handle_for(
    workflow: Callable[..., Awaitable[R]],
    workflow_id: str,
    *,
    run_id: str | None = None,
) -> ExternalWorkflowHandle[R]:
    """As get_external_workflow_handle, for the run method (or class) of the workflow, whose result is
    restored as that says."""
    current_runtime("get_external_workflow_handle_for")
    return ExternalWorkflowHandle(_id(workflow_id), _run_id(run_id), result_type_of(workflow))


def _id(workflow_id: str) -> str:
    return given.name("workflow_id", workflow_id)


def _run_id(run_id: str | None) -> str | None:
    return None if run_id is None else given.name("run_id", run_id)
