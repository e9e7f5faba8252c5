"""What happens in a host, a worker or a client that people want counted: metrics and traces stand on it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, cast

from dalsegno._log import get_logger
from dalsegno.errors import ConfigurationError
from dalsegno.given import shown

log = get_logger()


class Observer(Protocol):
    """A subclass has the hooks that it cares for; each of the others does nothing. They are called on the event
    loop, which waits for them: they only note. What they raise is logged, and harms nothing else."""

    # a host

    def activation_done(self, workflow_type: str, cause: str) -> None:
        """It is durable. `cause` is the kind of what it answered; the type is "" where nothing of the
        workflow is stored."""

    def round_committed(self, activations: int, seconds: float) -> None:
        """One transaction, from its sending to its outcome."""

    def commit_failed(self, error: Exception) -> None:
        """What became of the round is unknown; it is done again."""

    def messages_acknowledged(self, count: int) -> None:
        """Of a partition's queue: what they led to is durable and confirmed."""

    def message_refused(self, message_type: str, reason: str) -> None:
        """It went to the dead letters."""

    def workflow_suspended(self, workflow_type: str, kind: str) -> None:
        """`kind`: "bug", "nondeterminism", "operator", ..., as `describe` shows it."""

    def workflow_resumed(self, workflow_type: str) -> None: ...

    def partition_taken(self, partition: int) -> None: ...

    def partition_given_up(self, partition: int) -> None:
        """Handed over, or lost."""

    # a worker

    def attempt_begun(self, activity_type: str, attempt: int) -> None:
        """Its code begins. An attempt from 2 on is a retry."""

    def attempt_ended(self, activity_type: str, outcome: str, seconds: float) -> None:
        """`outcome`: "completed", "failed", "canceled", or "released" where nothing is told. `seconds`
        since its code began; 0 where it never did."""

    # a client

    def request_repeated(self, request: str) -> None:
        """The answer to a request, such as "workflow.start", did not come in time, and it is sent again."""


HOOKS = tuple(name for name in vars(Observer) if name[0] != "_")


class ContainedObserver:
    """An observer whose errors end in a log line."""

    def __init__(self, observer: Observer) -> None:
        for name in HOOKS:
            setattr(self, name, _contained(name, getattr(observer, name)))


def _contained(name: str, hook: Callable[..., None]) -> Callable[..., None]:
    def call(*args: Any) -> None:
        try:
            hook(*args)
        except Exception as error:
            log.error("observer_failed", hook=name, reason=repr(error), exc_info=error)

    return call


def contained(observer: Observer | None) -> Observer | None:
    """None where nobody observes, which costs nothing. Raises ConfigurationError for what is no observer."""
    if observer is None:
        return None
    missing = [name for name in HOOKS if not callable(getattr(observer, name, None))]
    if missing or isinstance(observer, type):
        raise ConfigurationError(
            f"observer must be an Observer or None, not {shown(observer)}: make it of a subclass of Observer."
        )
    return cast(Observer, ContainedObserver(observer))
