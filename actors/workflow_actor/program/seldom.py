"""What most code never uses, made when it first does: what it asks of other workflows, deadlines,
and patches."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Iterable
from typing import Protocol

from dalsegno.actors.workflow_actor.children.awaited import AwaitedChildren
from dalsegno.actors.workflow_actor.children.events import ChildTold
from dalsegno.actors.workflow_actor.deadlines.awaited import AwaitedDeadlines, CodeWithDeadlines
from dalsegno.actors.workflow_actor.deadlines.deadline import KeptDeadline
from dalsegno.actors.workflow_actor.deadlines.events import DeadlineNeared
from dalsegno.actors.workflow_actor.externals.awaited import AwaitedExternals
from dalsegno.actors.workflow_actor.externals.events import ExternalTold
from dalsegno.actors.workflow_actor.interface.run_info import RunInfo
from dalsegno.actors.workflow_actor.loop.event_loop import DeterministicLoop, WorkflowTask
from dalsegno.actors.workflow_actor.loop.intent_ledger import IntentLedger
from dalsegno.actors.workflow_actor.patches.awaited import Activates, PatchedCode, RunPatches
from dalsegno.actors.workflow_actor.program.code_error import code_error
from dalsegno.actors.workflow_actor.program.life import ProgramLife
from dalsegno.actors.workflow_actor.program.waits import Awaited
from dalsegno.data_converter import DataConverter
from dalsegno.definition import HandlerDefinition


class CodeOfSeldom(CodeWithDeadlines, PatchedCode, Protocol):
    """The program."""


class SeldomUsed:
    """Children, other workflows, deadlines and patches of a run. `awaited` takes what code is told of them, by
    its type."""

    def __init__(
        self,
        ledger: IntentLedger,
        loop: DeterministicLoop,
        context: contextvars.Context,
        info: RunInfo,
        outlived: Callable[[asyncio.CancelledError], object],
        life: ProgramLife,
        kept: Iterable[KeptDeadline],
        code: CodeOfSeldom,
        handlers: Callable[[], dict[WorkflowTask, HandlerDefinition]],
        converter: DataConverter,
        patches: Iterable[str],
        activates_patch: Activates | None,
    ) -> None:
        self.externals = AwaitedExternals(ledger, loop, converter)
        self.children = AwaitedChildren(ledger, loop, info, outlived, converter)
        self.deadlines = AwaitedDeadlines(kept, ledger, loop, context, code, handlers)
        self.patches = RunPatches(
            *(ledger, patches, activates_patch, code), lambda error: life.break_off(code_error(error))
        )
        self.awaited: dict[type, Awaited] = {
            ChildTold: self.children,
            ExternalTold: self.externals,
            DeadlineNeared: self.deadlines,
        }

    def leave(self) -> None:
        """A sign is set. Children go on, without who has started them."""
        self.children.forget()
        self.deadlines.leave()
        self.patches.at_sign()
