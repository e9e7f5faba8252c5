"""The running program as `workflow.*` sees it: what the run may know, and whom it asks for the rest."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Coroutine, Mapping
from datetime import UTC, datetime, timedelta
from functools import cached_property
from random import Random  # seeded from the run ID: the same numbers whenever the code runs again
from typing import Any, NoReturn, Protocol
from uuid import UUID

from dalsegno._activity_call import activity_call
from dalsegno._continue_as_new import ContinueAsNewError
from dalsegno._deadlines import Deadline, DeadlineCall
from dalsegno._local_activity_call import local_activity_call
from dalsegno._runtime import (
    ActivityCall,
    ActivityHandle,
    ChildWorkflowCall,
    ChildWorkflowHandle,
    ContinueCall,
    ExternalCall,
    Handler,
    HandlerKind,
    StepBounds,
)
from dalsegno._saga import Saga
from dalsegno.actors.workflow_actor.activities.awaited import AwaitedActivities
from dalsegno.actors.workflow_actor.attributes.awaited import OwnAttributes
from dalsegno.actors.workflow_actor.interface.retries import policy_of
from dalsegno.actors.workflow_actor.interface.run_info import RunInfo
from dalsegno.actors.workflow_actor.loop.cancel_request import CancelRequest
from dalsegno.actors.workflow_actor.loop.event_loop import DeterministicLoop
from dalsegno.actors.workflow_actor.loop.intent_ledger import IntentLedger
from dalsegno.actors.workflow_actor.memo.awaited import OwnMemo
from dalsegno.actors.workflow_actor.program.conditions import Conditions
from dalsegno.actors.workflow_actor.program.history import InputHistory
from dalsegno.actors.workflow_actor.program.life import ProgramLife
from dalsegno.actors.workflow_actor.program.seldom import SeldomUsed
from dalsegno.actors.workflow_actor.run.inputs import Input, SignedState
from dalsegno.data_converter import DataConverter
from dalsegno.failure import Failure
from dalsegno.interceptors.headers import decoded
from dalsegno.payload import Payload
from dalsegno.priority import OF_LEVEL
from dalsegno.search_attributes import AttributeValue
from dalsegno.workflow import Info, ParentInfo, RootInfo

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class ActivityRunner(Protocol):
    """What runs activities. `scheduled` is told of it when it is."""

    def start(
        self, call: ActivityCall, scheduled: Callable[[Any], None] | None = None
    ) -> ActivityHandle[Any]: ...

    def execute(
        self, call: ActivityCall, scheduled: Callable[[Any], None] | None = None
    ) -> Coroutine[Any, Any, Any]: ...


class RunControl(Protocol):
    """What only the program itself can do for user code."""

    @property
    def instance(self) -> Any: ...

    def checkpoint(self, state: Any, line: str) -> NoReturn: ...

    def handler(self, kind: HandlerKind, name: str | None) -> Handler | None: ...

    def set_handler(
        self, kind: HandlerKind, name: str | None, handler: Handler | None, validator: Handler | None = None
    ) -> None: ...

    def all_handlers_finished(self) -> bool: ...

    def open_saga(self, name: str) -> Saga: ...

    def seldom(self) -> SeldomUsed: ...


class Runtime:
    """Implements dalsegno._runtime.WorkflowRuntime. `signed` is what lies before this part of the run."""

    keeps_given = False

    def __init__(
        self,
        run_info: RunInfo,
        ledger: IntentLedger,
        loop: DeterministicLoop,
        activities: AwaitedActivities,
        conditions: Conditions,
        control: RunControl,
        signed: SignedState,
        converter: DataConverter,
        life: ProgramLife,
        cancel_request: CancelRequest,
    ) -> None:
        self.run_info = run_info
        self.converter = converter
        self.replaying = False
        self.inputs: list[Input] = []
        """What code was stepped with since it stands here."""
        self.bounds: StepBounds = ledger
        self._ledger = ledger
        self._loop = loop
        self._signs = signed.signs
        self._random: Random | None = None
        self._conditions = conditions
        known = signed.attributes if signed.signs else run_info.search_attributes
        self._memo = OwnMemo(run_info.memo if signed.memo is None else signed.memo, ledger)
        self.upsert_memo = self._memo.upsert
        self.details = signed.details
        self._control, self._cancel_request = control, cancel_request
        self.is_failure_exception = life.is_failure
        self._attributes = OwnAttributes(known, ledger)
        self.upsert_search_attributes = self._attributes.upsert
        self.steps: ActivityRunner = activities
        self.activity_call: Callable[..., ActivityCall] = activity_call
        self.local_activity_call: Callable[..., ActivityCall] = local_activity_call
        self.execute_activity: Callable[[ActivityCall], Coroutine[Any, Any, Any]] = activities.execute
        self.condition: Callable[[Callable[[], bool], str], asyncio.Future[None]] = conditions.add
        self.start_activity: Callable[[ActivityCall], ActivityHandle[Any]] = activities.start
        self._seldom = control.seldom
        self.checkpoint = control.checkpoint
        self.handler = control.handler
        self.set_handler = control.set_handler
        self.all_handlers_finished = control.all_handlers_finished
        self.open_saga = control.open_saga

    @cached_property
    def info(self) -> Info:
        return self.make_info()

    def make_info(self) -> Info:
        known = self.run_info
        timeout = known.execution_timeout
        return Info(
            workflow_id=known.workflow_id,
            run_id=known.run_id,
            workflow_type=known.workflow_type,
            task_queue=known.task_queue,
            start_time=_EPOCH + timedelta(microseconds=known.begins_at or known.started_at),
            execution_timeout=None if timeout is None else timedelta(microseconds=timeout),
            parent=None
            if known.parent is None
            else ParentInfo(workflow_id=known.parent.workflow_id, run_id=known.parent.run_id),
            root=None
            if known.root is None
            else RootInfo(workflow_id=known.root.workflow_id, run_id=known.root.run_id),
            run_timeout=None if known.run_timeout is None else timedelta(microseconds=known.run_timeout),
            retry_policy=None if known.retry is None else policy_of(known.retry.schedule),
            attempt=known.attempt,
            first_execution_run_id=known.chain_id,
            continued_run_id=known.continued_run_id,
            workflow_start_time=_EPOCH + timedelta(microseconds=known.started_at),
            priority=OF_LEVEL[known.priority],
        )

    @property
    def headers(self) -> Mapping[str, Payload]:
        headers = self.run_info.headers
        return decoded(headers, self.converter) if headers else headers

    @cached_property
    def history(self) -> InputHistory:
        return InputHistory(self.inputs)

    @property
    def last_failure(self) -> Failure | None:
        return self.run_info.last_failure

    @property
    def last_result(self) -> Payload | None:
        return self.run_info.last_result

    @property
    def memo(self) -> Mapping[str, Payload]:
        return self._memo.now

    @property
    def has_changed_memo(self) -> bool:
        return self._memo.now is not self.run_info.memo

    @property
    def instance(self) -> Any:
        return self._control.instance

    @property
    def cancellation_reason(self) -> str | None:
        return self._cancel_request.reason

    def set_details(self, details: str) -> None:
        self.details = details

    def continue_as_new(self, call: ContinueCall) -> NoReturn:
        raise ContinueAsNewError(call)

    @property
    def search_attributes(self) -> Mapping[str, AttributeValue]:
        return self._attributes.now

    def patched(self, patch_id: str, line: str) -> bool:
        return self._seldom().patches.counts(patch_id, line, self)

    @property
    def now(self) -> int:
        return self._loop.now

    @property
    def muted(self) -> bool:
        return self.replaying

    def holds(self, condition: Callable[[], bool]) -> bool:
        return self._conditions.hold(condition, self)

    def execute_child(self, call: ChildWorkflowCall) -> Coroutine[Any, Any, Any]:
        return self._seldom().children.execute(call)

    def start_child(self, call: ChildWorkflowCall) -> Coroutine[Any, Any, ChildWorkflowHandle[Any]]:
        return self._seldom().children.start(call)

    def ask(self, call: ExternalCall) -> Coroutine[Any, Any, Any]:
        return self._seldom().externals.ask(call)

    def deadline(self, call: DeadlineCall) -> Deadline:
        return self._seldom().deadlines.set(call)

    def random(self) -> Random:
        if self._random is None:
            digest = hashlib.sha256(f"{self.run_info.run_id}/random/{self._signs}".encode()).digest()
            self._random = Random(int.from_bytes(digest))
        return self._random

    def uuid4(self) -> UUID:
        return UUID(bytes=self._next_digest()[1][:16], version=4)

    def uuid7(self) -> UUID:
        """As RFC 9562 has it: milliseconds, 20 bits of what grows within them (the number of the UUID in its
        run), 54 of chance."""
        number, digest = self._next_digest()
        milliseconds = self._loop.now // 1_000 & 2**48 - 1
        high, low = number >> 8 & 2**12 - 1, number & 2**8 - 1
        chance = int.from_bytes(digest[:8]) & 2**54 - 1
        return UUID(int=milliseconds << 80 | 7 << 76 | high << 64 | 0b10 << 62 | low << 54 | chance)

    def _next_digest(self) -> tuple[int, bytes]:
        number = self._ledger.next_uuid
        self._ledger.next_uuid = number + 1
        return number, hashlib.sha256(f"{self.run_info.run_id}/uuid/{number}".encode()).digest()

    def random_state(self) -> object:
        """For put_back_random: what is drawn in between leaves no trace."""
        return None if self._random is None else self._random.getstate()

    def put_back_random(self, state: Any) -> None:
        if state is None:
            self._random = None
        else:
            self.random().setstate(state)
