"""What a workflow actor asks of those around it: its partition, and who watches over its process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from dalsegno.actors.workflow_actor.interface.activation import Activation
from dalsegno.actors.workflow_actor.interface.cause import AwaitOutcome, Cause
from dalsegno.actors.workflow_actor.interface.effects import Effect

if TYPE_CHECKING:
    from dalsegno.actors.workflow_actor.actor import WorkflowActor


class Supervisor(Protocol):
    """What a workflow actor asks of its partition's supervisor."""

    def activated(self, actor: WorkflowActor, cause: Cause, activations: list[Activation]) -> None:
        """Commit this with the round in progress."""

    def came_again(self, actor: WorkflowActor, cause: Cause, answers: Sequence[Effect]) -> None:
        """Send what is outstanding, and the answers; then the cause may go."""

    def read_mail(self, actor: WorkflowActor, after: int) -> None:
        """Read what the database keeps for it, behind that number; answered by `actor.mail_read`."""

    def look_up_strikes(self, actor: WorkflowActor, run_id: str) -> None:
        """Whether this start has killed hosts; answered by `actor.strikes_found`."""

    def clear_strikes(self, run_id: str) -> None: ...

    def about_another_run(self, actor: WorkflowActor, cause: Cause) -> None:
        """Answer from the database: a run that is not the current one is closed."""

    def wait_for_outcome(self, actor: WorkflowActor, cause: Cause, request: AwaitOutcome) -> None: ...

    def rebuild_later(self, actor: WorkflowActor) -> None:
        """Call `actor.advance_rebuild` from time to time until it says that it is done."""

    def failed(self, actor: WorkflowActor, cause: Cause | None, error: BaseException) -> None: ...


class Watch(Protocol):
    """Marks for the watchdog in the parent process: whose user code is running."""

    def enter(self, run_id: str, cause: str, code: str) -> None:
        """`code`: the fingerprint of the definition that it is run by."""

    def leave(self) -> None: ...
