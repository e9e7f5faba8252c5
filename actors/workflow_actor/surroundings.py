"""What a workflow actor asks of those around it: its partition, and who watches over its process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from dalsegno.actors.workflow_actor.interface.activation import Activation
from dalsegno.actors.workflow_actor.interface.cause import AwaitOutcome, Cause
from dalsegno.actors.workflow_actor.interface.commands import Command
from dalsegno.actors.workflow_actor.interface.effects import Effect
from dalsegno.actors.workflow_actor.interface.waiting import LocalWork, PiecesKept, Preparation

if TYPE_CHECKING:
    from dalsegno.actors.workflow_actor.actor import WorkflowActor
    from dalsegno.actors.workflow_actor.instance import Instance
    from dalsegno.actors.workflow_actor.open_turn import OpenTurn


class Supervisor(Protocol):
    """What a workflow actor asks of its partition's supervisor."""

    def activated(self, actor: WorkflowActor, cause: Cause, activations: list[Activation]) -> None:
        """Commit this with the round in progress."""

    def came_again(self, actor: WorkflowActor, cause: Cause, answers: Sequence[Effect]) -> None:
        """Send what is outstanding, and the answers; then the cause may go."""

    def to_be_loaded(self, actor: WorkflowActor, cause: Cause) -> None:
        """It was only guessed to be new: have another loaded, and told the same."""

    def read_mail(self, actor: WorkflowActor, after: int) -> None:
        """Read what the database keeps for it, behind that number; answered by `actor.mail_read`."""

    def look_up_strikes(self, actor: WorkflowActor, run_id: str) -> None:
        """Whether this start has killed hosts; answered by `actor.strikes_found`."""

    def look_up_attributes(self, actor: WorkflowActor) -> None:
        """Which search attributes are declared; answered by `actor.attributes_found`."""

    def look_up_format(self, actor: WorkflowActor) -> None:
        """Which formats may be written; answered by `actor.format_found`."""

    def clear_strikes(self, run_id: str) -> None: ...

    def about_another_run(self, actor: WorkflowActor, cause: Cause) -> None:
        """Answer from the database: a run that is not the current one is closed."""

    def wait_for_outcome(self, actor: WorkflowActor, cause: Cause, request: AwaitOutcome) -> None: ...

    def rebuild_later(self, actor: WorkflowActor) -> None:
        """Call `actor.advance_rebuild` from time to time until it says that it is done."""

    def failed(self, actor: WorkflowActor, cause: Cause | None, error: BaseException) -> None: ...


class OffLoop(Protocol):
    """What a turn may wait for, and who does it: in threads, in tasks of the host's loop, elsewhere. Nothing is
    answered at once, and everything once, on the thread of the loop; who has given up waiting is not there to
    hear it."""

    @property
    def prepares(self) -> bool:
        """There may be commands that have to be prepared; it does not change."""

    def is_ready_for(self, command: Command, instance: Instance) -> bool:
        """All is at hand that is needed to put the command to the instance. It only looks."""

    def prepare(self, command: Command, instance: Instance, done: Callable[[Preparation], None]) -> None:
        """Have it at hand."""

    def work(self, work: LocalWork, done: Callable[[Command | PiecesKept], None]) -> None:
        """`done` is told what the instance is to be told of it, if it is to be told anything. What is under way
        already goes on, and only the new `done` is told."""

    def give_up(self, work: LocalWork) -> None:
        """Nobody waits for it any more: it may be stopped. What has ended is passed over."""


class Turns(Protocol):
    """What a workflow actor asks about a turn that stays open."""

    @property
    def prepares(self) -> bool:
        """As `OffLoop`."""

    def is_ready_for(self, command: Command, instance: Instance) -> bool:
        """As `OffLoop`."""

    def prepare(self, actor: WorkflowActor, turn: OpenTurn, command: Command) -> None:
        """Answered by `actor.prepared`, or by `actor.overdue`."""

    def wait(self, actor: WorkflowActor, turn: OpenTurn) -> None:
        """It waits for local work; `actor.overdue` is called when that has lasted too long."""

    def work(self, actor: WorkflowActor, turn: OpenTurn, works: Sequence[LocalWork]) -> None:
        """Answered by `actor.worked`, once for each. What comes after the turn was sealed is a cause."""

    def over(self, turn: OpenTurn) -> None:
        """It is sealed, or dropped."""


class Watch(Protocol):
    """Marks for the watchdog in the parent process: whose user code is running."""

    def enter(self, run_id: str, cause: str, code: str) -> None:
        """`code`: the fingerprint of the definition that it is run by."""

    def leave(self) -> None: ...
