"""A parent with real children that a test steps; its clock is the test's."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

from dalsegno.actors.supervisor.parent.child import Child, ChildSpec
from dalsegno.actors.supervisor.parent.parent import Parent
from dalsegno.persistence.port import Membership, Store
from tests.servers import wait_until

SECONDS = 30.0
"""The bound of each wait."""


class Supervision:
    """A parent that the test steps; each look comes half a second after the one before."""

    def __init__(self, store: Store, *specs: ChildSpec) -> None:
        self.now = 1000.0
        self.parent = Parent(specs, membership=store.membership, hash_seed=42, clock=lambda: self.now)
        assert self.parent.look() is None

    @property
    def child(self) -> Child:
        return self.parent.children[0]

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self.child.process is not None
        return self.child.process

    def look(self, after: float = 0.5) -> int | None:
        self.now += after
        return self.parent.look()

    def wait_for_code(self) -> None:
        wait_until(lambda: self.child.pulse.read().in_user_code, SECONDS, "the entry into user code")

    def end_of_child(self) -> int | None:
        """Let it die, and look."""
        assert self.child.process is not None
        self.child.process.wait(SECONDS)
        return self.look(after=0.0)

    def pause(self) -> float:
        """Until the next start."""
        assert self.child.process is None
        return self.child.restart_at - self.now


Supervise = Callable[..., Supervision]


def join(table: Membership, host_id: str) -> None:
    table.join(host_id, ttl=3_600_000_000, version="1")


def live(table: Membership) -> list[str]:
    return [host.host_id for host in table.cluster().hosts]
