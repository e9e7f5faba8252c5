"""What the partitions of one engine are given, each the same."""

from __future__ import annotations

from dataclasses import dataclass

from dalsegno.actors.entropy import Entropy
from dalsegno.actors.light import Dispatcher
from dalsegno.actors.supervisor.outbox.outbox import Outbox
from dalsegno.actors.supervisor.outbox.shipping import Shipping
from dalsegno.actors.supervisor.partition.passivation import Passivation
from dalsegno.actors.supervisor.partition.rehydration import Rehydration
from dalsegno.actors.supervisor.partition.stored import loading_of
from dalsegno.actors.supervisor.round.open_rounds import OpenRounds
from dalsegno.actors.supervisor.settings import HostSettings
from dalsegno.actors.supervisor.upcalls import Upcalls
from dalsegno.actors.supervisor.wakeups.wake_timer import WakeTimer
from dalsegno.actors.supervisor.world import World
from dalsegno.actors.workflow_actor.attributes.declared import DeclaredAttributes
from dalsegno.actors.workflow_actor.instance import Instance
from dalsegno.actors.workflow_actor.interface.steps import Steps
from dalsegno.actors.workflow_actor.program.port import Code
from dalsegno.actors.workflow_actor.stored.codec import StoredCodec
from dalsegno.actors.workflow_actor.surroundings import OffLoop, Watch
from dalsegno.persistence.port import LoadedInstance


@dataclass(slots=True)
class Surroundings:
    """See the module. `partitions` is their number in the whole namespace. `codec` is
    another one once a newer format may be written."""

    world: World
    upcalls: Upcalls
    rounds: OpenRounds
    outbox: Outbox
    shipping: Shipping
    rehydration: Rehydration
    wake_timer: WakeTimer
    passivation: Passivation
    partition_dispatcher: Dispatcher
    workflow_dispatcher: Dispatcher
    code: Code
    codec: StoredCodec
    settings: HostSettings
    watch: Watch
    off_loop: OffLoop | None
    entropy: Entropy
    partitions: int
    declared: DeclaredAttributes

    def unheard_of(self, workflow_id: str) -> Instance:
        """The instance of a workflow ID of which nothing is stored."""
        return Instance(
            workflow_id,
            self.code,
            history_limit=self.settings.history_limit,
            codec=self.codec,
            declared=self.declared,
        )

    def stored(self, row: LoadedInstance) -> Steps[Instance]:
        """Raises CorruptStateError or NewerStateError."""
        return loading_of(row, self.code, history_limit=self.settings.history_limit, codec=self.codec)
