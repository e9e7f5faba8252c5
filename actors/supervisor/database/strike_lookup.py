"""Strikes of runs that are about to start, looked up together: a host that takes partitions over wants them for
all starts that are queued there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from dalsegno.partition_id import PartitionID

Strikes = Mapping[tuple[str, str], int]
Fetch = Callable[[Sequence[str], Callable[[Strikes], None]], None]


class StrikeLookup:
    """`fetch` reads those of runs and tells them; `found` is told (partition, workflow ID, strikes) of each."""

    def __init__(
        self,
        call_soon: Callable[[Callable[[], None]], object],
        fetch: Fetch,
        found: Callable[[PartitionID, str, Sequence[tuple[str, int]]], None],
    ) -> None:
        self._call_soon = call_soon
        self._fetch = fetch
        self._found = found
        self._wanted: list[tuple[PartitionID, str, str]] = []

    def ask(self, partition: PartitionID, workflow_id: str, run_id: str) -> None:
        self._wanted.append((partition, workflow_id, run_id))
        if len(self._wanted) == 1:
            self._call_soon(self._fetch_all)

    def _fetch_all(self) -> None:
        wanted, self._wanted = self._wanted, []

        def fetched(strikes: Strikes) -> None:
            by_run: dict[str, list[tuple[str, int]]] = {}
            for (run_id, point), count in strikes.items():
                by_run.setdefault(run_id, []).append((point, count))
            for partition, workflow_id, run_id in wanted:
                self._found(partition, workflow_id, by_run.get(run_id, ()))

        self._fetch([run_id for _, _, run_id in wanted], fetched)
