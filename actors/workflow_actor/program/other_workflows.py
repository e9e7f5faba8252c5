"""What user code asks of other workflows: made when it first does, as most code never does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from dalsegno.actors.workflow_actor.children.awaited import AwaitedChildren
from dalsegno.actors.workflow_actor.children.events import ChildTold
from dalsegno.actors.workflow_actor.externals.awaited import AwaitedExternals
from dalsegno.actors.workflow_actor.externals.events import ExternalTold
from dalsegno.actors.workflow_actor.interface.run_info import RunInfo
from dalsegno.actors.workflow_actor.loop.event_loop import DeterministicLoop
from dalsegno.actors.workflow_actor.loop.intent_ledger import IntentLedger
from dalsegno.actors.workflow_actor.program.waits import Awaited
from dalsegno.data_converter import DataConverter


class OtherWorkflows:
    """The run's children, and those that are not. `awaited` takes what it is told of them, by its type."""

    def __init__(
        self,
        ledger: IntentLedger,
        loop: DeterministicLoop,
        info: RunInfo,
        outlived: Callable[[asyncio.CancelledError], object],
        converter: DataConverter,
    ) -> None:
        self.externals = AwaitedExternals(ledger, loop, converter)
        self.children = AwaitedChildren(ledger, loop, info, outlived, converter)
        self.awaited: dict[type, Awaited] = {ChildTold: self.children, ExternalTold: self.externals}
