"""What was stored, byte for byte: some runs in each format. Nothing that was written may ever be unreadable.

`golden/format_1.json` was written by the first release that stored anything (commit 97143e4), and is not made
again. `python -m tests.workflow_actor.stored.golden` writes the same runs down in the newest format.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from dalsegno.actors.workflow_actor.run.events import Record
from dalsegno.actors.workflow_actor.run.state import RunOutcome, WorkflowState
from dalsegno.actors.workflow_actor.stored.codec import CODEC, StoredCodec
from dalsegno.actors.workflow_actor.stored.loading import StoredRow, StoredSnapshot, load_state
from dalsegno.actors.workflow_actor.stored.snapshots import checksum

FOLDER: Final = Path(__file__).parent / "golden"


class GoldenRun(Struct, frozen=True):
    """From its first row to its newest; the snapshot is of the state that they lead to."""

    workflow_id: str
    run_id: str
    journal: list[StoredRow]
    snapshot: StoredSnapshot

    def by_journal(self, codec: StoredCodec = CODEC) -> WorkflowState:
        return load_state(self.workflow_id, self.run_id, None, self.journal, codec)

    def by_snapshot(self, codec: StoredCodec = CODEC) -> WorkflowState:
        return load_state(self.workflow_id, self.run_id, self.snapshot, [], codec)

    def records(self) -> list[Record]:
        return [CODEC.decode_record(events) for _, _, _, events in self.journal]


class Golden(Struct, frozen=True):
    runs: list[GoldenRun]
    outcome: bytes
    memo: bytes


def file_of(format_: int) -> Path:
    return FOLDER / f"format_{format_}.json"


def golden(format_: int) -> Golden:
    found = json.loads(file_of(format_).read_text())
    return Golden(
        [_read(run) for run in found["runs"]], bytes.fromhex(found["outcome"]), bytes.fromhex(found["memo"])
    )


def _read(run: dict[str, Any]) -> GoldenRun:
    run_id = run["run_id"]
    journal = [(run_id, sequence, time, bytes.fromhex(events)) for sequence, time, events in run["journal"]]
    sequence, format_, sum_, body = run["snapshot"]
    snapshot = sequence, format_, bytes.fromhex(sum_), bytes.fromhex(body)
    return GoldenRun(run["workflow_id"], run_id, journal, snapshot)


def written(runs: Golden, codec: StoredCodec) -> dict[str, Any]:
    """The same, as `codec` writes it."""
    status, result, failure = CODEC.decode_outcome(runs.outcome)
    outcome = codec.encode_outcome(RunOutcome(status, result, failure, 0))
    memo = codec.encode_memo(CODEC.decode_memo(runs.memo)) or b""
    return {
        "runs": [_written(run, codec) for run in runs.runs],
        "outcome": outcome.hex(),
        "memo": memo.hex(),
    }


def _written(run: GoldenRun, codec: StoredCodec) -> dict[str, Any]:
    state = run.by_journal()
    body = codec.encode_state(state)
    sum_ = checksum(body, run.run_id, state.sequence).hex()
    rows = [[record.sequence, record.time, codec.encode_record(record).hex()] for record in run.records()]
    return {
        "workflow_id": run.workflow_id,
        "run_id": run.run_id,
        "journal": rows,
        "snapshot": [state.sequence, codec.writes, sum_, body.hex()],
    }


if __name__ == "__main__":
    file_of(CODEC.newest).write_text(json.dumps(written(golden(1), CODEC), indent=1) + "\n")
