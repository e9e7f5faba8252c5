"""What a crash point is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from tests.crash.wrapping import Site

SUPERVISOR = "dalsegno.actors.supervisor"
PERSISTENCE = "dalsegno.persistence"

EMBEDDED, RABBITMQ = "embedded", "rabbitmq"
SQLITE, POSTGRES = "sqlite", "postgres"


class Role(Enum):
    """Who dies."""

    HOST = "host"
    WORKER = "worker"
    CLIENT = "client"


class Need(Enum):
    """What has to happen so that the point is passed."""

    LOAD = "work"
    TAKE_OVER = "it takes over from a host that died"
    STOP = "it is asked to stop"
    IDLE = "workflows are idle"
    LETTER = "somebody sends what nobody can read"
    RUNS = "runs start others, go on as others, are updated, and work locally; nothing else is under way"


@dataclass(frozen=True, slots=True)
class Point:
    """`number` is that of the test plan, where it has one. `most`: up to which passing a kill makes sense."""

    number: str
    name: str
    state: str
    follows: str
    sites: tuple[Site, ...]
    role: Role = Role.HOST
    need: Need = Need.LOAD
    most: int = 6
    only: str | None = None
    """The kind of database, or of broker, on which there is such a point."""
    may_be_asked: bool = True
    """Whether SIGTERM there, and SIGKILL a second later, differs from what is tested anyway."""

    @property
    def may_be_supervised(self) -> bool:
        """Whether it is passed in a host that has a parent of its own."""
        return self.role is Role.HOST and self.need in (Need.LOAD, Need.IDLE, Need.RUNS)
