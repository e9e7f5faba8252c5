"""I35: runs that follow each other are one chain, and a child is the one that its parent has asked for.

What one run says of another is compared with what that one says of itself, whichever is read first. Where one
of the two is not kept any more there is nothing to compare.
"""

from __future__ import annotations

from collections.abc import Iterator

from dalsegno.actors.workflow_actor.children import events as kid
from dalsegno.actors.workflow_actor.interface.run_info import RunInfo
from dalsegno.actors.workflow_actor.run import events as ev
from dalsegno.persistence.port import JournalRow
from dalsegno.verification.finding import Invariant, Violation
from dalsegno.verification.used_ids import Use, UsedIDs


class Kinship:
    """Of one run; `used` is of the whole namespace. Memory is for one run's beginning alone."""

    def __init__(self, used: UsedIDs) -> None:
        self._used = used
        self._info: RunInfo | None = None
        """None as long as it is not known: its beginning was trimmed."""

    def on_record(self, row: JournalRow, record: ev.Record) -> Iterator[Violation]:
        for event in record.events:
            match event:
                case ev.RunStarted(info):
                    self._info = info
                    yield from self._began(row, info)
                case ev.RunClosed():
                    yield from self._ended(row, event)
                case ev.Ran():
                    for want in event.wants:
                        if isinstance(want, kid.ChildWanted):
                            told = want.spec.workflow_id
                            yield from self._says(row, told, "asked for", row.run_id, str(want.number))
                case kid.ChildBegun(number, by_run):
                    yield from self._says(row, by_run, "begun as", row.run_id, str(number))
                case kid.ChildClosed():
                    yield from self._says(row, event.status.value, "ended as", event.run_id)
                case _:
                    pass

    def _began(self, row: JournalRow, info: RunInfo) -> Iterator[Violation]:
        before, first = info.continued_run_id, info.first_run_id
        if (before is None) != (first is None) or row.run_id in (before, first):
            text = f"it follows {before}, and its chain is said to begin with {first}"
            yield Violation(Invariant.KINSHIP, row.sequence, text)
        elif first is not None:
            yield from self._says(row, first, "of the chain of", row.run_id)
        elif info.parent is not None:
            place = info.parent.run_id, str(info.parent.number)
            yield from self._says(row, info.workflow_id, "asked for", *place)
            yield from self._says(row, row.run_id, "begun as", *place)

    def _ended(self, row: JournalRow, event: ev.RunClosed) -> Iterator[Violation]:
        info = self._info
        if info is None:
            return
        if event.next_run_id is not None:
            yield from self._says(row, info.chain_id, "of the chain of", event.next_run_id)
        elif info.parent is not None:
            yield from self._says(row, event.status.value, "ended as", row.run_id)

    def _says(self, row: JournalRow, what: str, *of: str) -> Iterator[Violation]:
        """Both who speak of it must say the same."""
        earlier = self._used.use("kinship", *of, at=Use(what, 0, 0))
        if earlier is not None:
            about = " ".join(of[1:])
            text = f"{_WORDS[of[0]].format(about=about)} {what} here, and {earlier.run_id} elsewhere"
            yield Violation(Invariant.KINSHIP, row.sequence, text)


_WORDS = {
    "asked for": "the child that run and number {about} have asked for is workflow",
    "begun as": "the child that run and number {about} have asked for is run",
    "ended as": "run {about} has ended as",
    "of the chain of": "the chain of run {about} begins with",
}
