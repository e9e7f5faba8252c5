"""`workflow.continue_as_new`: the run ends here, and goes on as another."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NoReturn

from dalsegno import given
from dalsegno._call_site import call_site
from dalsegno._runtime import ContinueCall, GivenArguments, current_runtime
from dalsegno.converter import encode_args
from dalsegno.data_converter import DataConverter
from dalsegno.payload import Payload
from dalsegno.policies import Duration, RetryPolicy
from dalsegno.priority import Priority, given_level
from dalsegno.search_attributes import TypedSearchAttributes, stored_attributes
from dalsegno.targets import UNSET, Target, encode_arguments, name_of, one_by_one_or_args


class ContinueAsNewError(BaseException):
    """Ends the run, which goes on as another: what `workflow.continue_as_new` raises. Let it pass."""

    def __init__(self, call: Any) -> None:
        super().__init__("The workflow goes on as another run.")
        self.call: ContinueCall = call


def continue_as_new(
    *arguments: Any,
    arg: Any = UNSET,
    args: Sequence[Any] = (),
    workflow: Target | None = None,
    task_queue: str | None = None,
    run_timeout: Duration | None = None,
    retry_policy: RetryPolicy | None = None,
    memo: Mapping[str, Any] | None = None,
    search_attributes: TypedSearchAttributes | None = None,
    backoff_start_interval: Duration | None = None,
    priority: Priority | None = None,
    task_timeout: Duration | None = None,
    versioning_intent: Any = None,
    initial_versioning_behavior: Any = None,
) -> NoReturn:
    """End this run, and go on as another with these arguments. Never returns: it raises ContinueAsNewError,
    which ends the run wherever it is raised, also in a handler.

    The next run has the same workflow ID, and begins with nothing but what it is given: a new object, a new
    history, activities and timers of its own. Who waits for the result is told that of the last run. Signals
    and updates that no handler has begun with go along, in order; handlers that run are abandoned, as at any
    end. What is not given is as it is in this run (`workflow`, `task_queue`, `run_timeout`, `retry_policy`,
    `memo`, `priority`); the execution timeout is that of all runs together. `backoff_start_interval`: the next
    run begins so much later. `search_attributes` take the place of those of this run, which has them, too, when
    it ends: otherwise the next one has the same. What Temporal has beside that is taken, and means nothing.
    """
    runtime = current_runtime("continue_as_new")
    values = one_by_one_or_args("The next run", arguments, args, arg)
    if retry_policy is not None and not isinstance(retry_policy, RetryPolicy):
        raise given.wrong_type("retry_policy", retry_policy, "a RetryPolicy")
    converter, line = runtime.converter.at_sign(), call_site(sys._getframe(1))
    call = ContinueCall(
        args=_encoded(workflow, values, converter),
        workflow_type=None if workflow is None else name_of(workflow),
        task_queue=None if task_queue is None else given.name("task_queue", task_queue),
        run_timeout=_span("run_timeout", run_timeout),
        retry_policy=retry_policy,
        memo=None if memo is None else encoded_memo(memo, converter),
        delay=_span("backoff_start_interval", backoff_start_interval),
        line=line,
        level=given_level(priority),
        given=GivenArguments(values, partial(_encoded_as, workflow)) if runtime.keeps_given else None,
    )
    if search_attributes is not None:
        anew = stored_attributes("search_attributes", search_attributes)
        if anew or runtime.search_attributes:
            runtime.upsert_search_attributes({**dict.fromkeys(runtime.search_attributes), **anew}, line)
    runtime.continue_as_new(call)


def encoded_memo(notes: Mapping[str, Any], converter: DataConverter) -> dict[str, Payload]:
    """Raises TypeError for what is no mapping of texts, PayloadError for values."""
    return {
        given.text("A key of memo", key): converter.to_whole_payload(value)
        for key, value in given.mapping("memo", notes).items()
    }


def _encoded(workflow: Target | None, values: Sequence[Any], converter: DataConverter) -> tuple[Payload, ...]:
    if workflow is None:
        return encode_args("continue_as_new", values, converter, None)
    return encode_arguments(workflow, values, converter)


def _encoded_as(
    workflow: Target | None, name: str, values: Sequence[Any], converter: DataConverter
) -> tuple[Payload, ...]:
    """`name` is that of the workflow by now; "": as this one."""
    if workflow is None or name != name_of(workflow):
        return _encoded(name or None, values, converter)
    return _encoded(workflow, values, converter)


def _span(name: str, duration: Duration | None) -> int | None:
    return None if duration is None else given.microseconds(name, duration, positive=True)
