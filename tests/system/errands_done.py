"""What became of the errands and watches of all clients, and whether it is right."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.system.audit import Rows
from tests.system.errand_client import PLANS
from tests.system.errands import FAILS_WITH, steps_of


class Diary:
    """What was confirmed to one client or to several."""

    def __init__(self, *files: Path) -> None:
        self.plans: dict[str, int | None] = {}
        """By workflow ID, of each start that was confirmed; a watch has none."""
        self.notes: dict[str, list[int]] = defaultdict(list)
        self.ends: dict[str, dict[str, Any]] = {}
        for line in (line for file in files if file.exists() for line in file.read_text().splitlines()):
            entry: dict[str, Any] = json.loads(line)
            if "started" in entry:
                self.plans[entry["started"]] = entry["plan"]
            elif "signalled" in entry:
                self.notes[entry["signalled"]].append(entry["note"])
            else:
                self.ends[entry.pop("ended")] = entry

    def faults(self, ledger: Path, database: str) -> Iterator[str]:
        """One sentence for each thing that is not as it should be."""
        entries = set(ledger.read_text().splitlines())
        rows = Rows(database)
        runs = Counter(row.workflow_id for row in rows.runs.values())
        statuses = {row.workflow_id: row.status for row in rows.runs.values()}
        for name, plan in self.plans.items():
            end = self.ends.get(name)
            if end is None:
                yield f"{name} was started and has not ended"
                continue
            expected = "failed" if plan is not None and PLANS[plan].fails else "completed"
            if (end["status"], statuses.get(name), runs[name]) != (expected, expected, 1):
                found = f"{runs[name]} runs, {statuses.get(name)} in the database"
                yield f"{name} should be {expected} once: {end}; {found}"
            if end["status"] == "failed" and end["message"] != FAILS_WITH:
                yield f"{name} failed, but not as planned: {end['message']}"
            if end["notes"] != self.notes[name]:
                yield f"{name} was sent the notes {self.notes[name]} and had {end['notes']}"
            steps = [f"note-{note}" for note in self.notes[name]] if plan is None else steps_of(PLANS[plan])
            if [entry.split()[0] for entry in end["entries"]] != steps:
                yield f"{name} should have taken the steps {steps}: {end['entries']}"
            if not entries.issuperset(end["entries"]):
                yield f"{name} has results of activities that never ran: {end['entries']}"
        yield from lingering(entries)


def lingering(entries: set[str]) -> Iterator[str]:
    """Attempts that were to be cancelled, and that no worker was told to stop."""
    words = Counter((word, key) for word, key, _ in map(str.split, entries))
    for (word, key), times in words.items():
        if word == "lingering-begun" and words["lingering-ended", key] != times:
            yield f"the activity {key} was cancelled, and its worker has not been told"
