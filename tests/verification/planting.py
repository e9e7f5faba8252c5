"""Spoiling good histories: each corruption is registered with what must be found. One that does not apply to a
page answers None."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random
from typing import Any

from msgspec.structs import replace

from dalsegno.actors.workflow_actor.run import events as ev
from dalsegno.actors.workflow_actor.stored.codec import CODEC
from dalsegno.persistence.port import JournalRow
from dalsegno.verification.finding import Invariant
from dalsegno.verification.rows import Page
from tests.verification.stored import edited

Spoil = Callable[[Page, Random], Page | None]
CORRUPTIONS: list[tuple[Invariant, Spoil]] = []


def must_be_found_as(invariant: Invariant) -> Callable[[Spoil], Spoil]:
    def register(spoil: Spoil) -> Spoil:
        CORRUPTIONS.append((invariant, spoil))
        return spoil

    return register


def events_of(page: Page, *kinds: type[Any]) -> Iterator[tuple[JournalRow, Any]]:
    for row in page.rows:
        for event in CODEC.decode_record(row.events).events:
            if isinstance(event, kinds):
                yield row, event


def appended(page: Page, sequence: int, *events: ev.Event) -> Page:
    return edited(page, sequence, lambda record: replace(record, events=(*record.events, *events)))


def with_row(page: Page, place: int, **changes: Any) -> Page:
    rows = list(page.rows)
    rows[place] = replace(rows[place], **changes)
    return replace(page, rows=tuple(rows))


def with_head(page: Page, **changes: Any) -> Page:
    return replace(page, head=replace(page.head, **changes))
