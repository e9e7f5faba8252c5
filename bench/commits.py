"""When PostgreSQL committed what for which partition: it keeps the time itself, with `track_commit_timestamp`.

So the gaps are measured where the engine's promise is kept, without a client in between, and over any restart.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import psycopg

SERVER_SETTINGS = {"track_commit_timestamp": "on"}

_BEHIND = """
    select j.partition, j.run_id, j.sequence, j.host, extract(epoch from pg_xact_commit_timestamp(j.xmin))
    from unnest(%s::text[], %s::bigint[]) as known(run_id, sequence)
    join journal j on j.run_id = known.run_id collate "C" and j.sequence > known.sequence
    order by j.run_id, j.sequence"""


class Commit(NamedTuple):
    """`at` is by `time.time`'s clock: the database runs on this machine."""

    at: float
    host: str


class Commits:
    """Those of the probes, by partition, as far as `read` has seen them."""

    def __init__(self, database: str, probes: Sequence[str]) -> None:
        self._database = database
        self._probes = list(probes)
        self._connection: psycopg.Connection[Any] | None = None
        self._known: dict[str, int] = {}
        self._of: dict[int, list[Commit]] = defaultdict(list)

    def read(self) -> None:
        """What is new. Nothing, while the database is away."""
        if len(self._known) < len(self._probes):
            rows = self._ask("select run_id from instances where workflow_id = any(%s)", [self._probes])
            self._known.update({run_id: 0 for (run_id,) in rows if run_id not in self._known})
        known = [list(self._known), list(self._known.values())]
        for partition, run_id, sequence, host, at in self._ask(_BEHIND, known):
            self._known[run_id] = sequence
            self._of[partition].append(Commit(float(at), host))

    def owners(self) -> dict[int, str | None]:
        """Who owns which partition; nothing, while the database is away."""
        return dict(self._ask("select partition, owner from leases", []))

    def seen(self, partition: int, holds: Callable[[Commit], bool]) -> bool:
        return any(holds(commit) for commit in reversed(self._of[partition]))

    def first_after(self, partition: int, at: float) -> float:
        return next(commit.at for commit in self._of[partition] if commit.at > at)

    def longest_gap(self, partition: int, since: float) -> float:
        """Between two commits after each other, in seconds, from a second before `since` until now."""
        times = [commit.at for commit in self._of[partition] if commit.at > since - 1.0]
        return max(later - earlier for earlier, later in pairwise(times))

    def forget(self, before: float) -> None:
        for commits in self._of.values():
            commits[:] = [commit for commit in commits if commit.at >= before]

    def owned(self) -> Counter[str]:
        return Counter(owner for owner in self.owners().values() if owner is not None)

    def _ask(self, statement: str, parameters: list[Any]) -> list[Any]:
        try:
            if self._connection is None or self._connection.closed:
                self._connection = psycopg.connect(self._database, autocommit=True, connect_timeout=2)
            return self._connection.execute(statement, parameters).fetchall()
        except psycopg.OperationalError:
            # It is being restarted: the next call asks again.
            if self._connection is not None:
                self._connection.close()
            return []
