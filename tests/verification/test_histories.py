"""Good histories pass, whatever happened in them; each planted corruption is found and named."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from dalsegno.verification.finding import Invariant
from dalsegno.verification.history import History
from dalsegno.verification.leadership import Leadership
from dalsegno.verification.rows import Page
from dalsegno.verification.used_ids import UsedIDs
from tests.verification import spoiled_events, spoiled_rows  # noqa: F401 - they register
from tests.verification.planting import CORRUPTIONS, Spoil
from tests.verification.stored import LEASES, NAMESPACE, violations_of, wild_history
from tests.workflow_actor.wild import OPS

SEEDS = st.integers(0, 2**32)
OPERATIONS = st.lists(st.tuples(st.integers(0, OPS - 1), st.integers(0, 2**16)), max_size=80)
LIMITS = st.sampled_from((0, 3, 10, 10_000))


@settings(deadline=None, max_examples=60)
@given(SEEDS, OPERATIONS, LIMITS)
def test_whatever_happens_nothing_is_found(seed: int, operations: list[tuple[int, int]], limit: int) -> None:
    leadership = Leadership()
    pages = wild_history(seed, operations, history_limit=limit).pages()
    assert violations_of(pages, leadership) == []
    assert list(leadership.on_end(LEASES)) == []


@settings(deadline=None, max_examples=40)
@given(SEEDS, OPERATIONS, LIMITS, st.integers(1, 7))
def test_nothing_is_found_when_it_is_read_in_pieces(
    seed: int, operations: list[tuple[int, int]], limit: int, size: int
) -> None:
    for page in wild_history(seed, operations, history_limit=limit).pages():
        used = UsedIDs(remembered=24 * 3600 * 1_000_000)
        history = History(page.head, NAMESPACE, Leadership(), used)
        for piece in in_pieces(page, size):
            history.add(piece)
        used.close()
        assert history.violations == []
        assert history.rows == len(page.rows)


def in_pieces(page: Page, size: int) -> list[Page]:
    """As a reader gives them: the snapshot comes with the piece that reaches it."""
    pieces = []
    snapshot = page.snapshot
    for start in range(0, max(len(page.rows), 1), size):
        rows = page.rows[start : start + size]
        is_last = start + size >= len(page.rows)
        reached = snapshot if is_last or (snapshot and snapshot.sequence <= rows[-1].sequence) else None
        snapshot = None if reached else snapshot
        pieces.append(replace(page, rows=rows, snapshot=reached, is_last=is_last))
    return pieces


@cache
def good_pages() -> Sequence[Page]:
    histories = [wild_history(seed, 150, history_limit=(10_000, 3, 0)[seed % 3]) for seed in range(75)]
    return [page for history in histories for page in history.pages()]


@pytest.mark.parametrize(
    ("invariant", "spoil"), [pytest.param(i, s, id=f"{i}-{s.__name__}") for i, s in CORRUPTIONS]
)
def test_a_planted_corruption_is_found_and_named(invariant: Invariant, spoil: Spoil) -> None:
    tried = 0
    for number, page in enumerate(good_pages()):
        spoiled = spoil(page, Random(number))
        if spoiled is None:
            continue
        tried += 1
        leadership = Leadership()
        found = {violation.invariant for violation in violations_of([spoiled], leadership)}
        found |= {finding.invariant for finding in leadership.on_end(LEASES)}
        assert invariant in found, f"{spoil.__name__} of {page.head.run_id} (page {number}): {sorted(found)}"
    assert tried >= 5


def test_a_token_that_two_runs_share_is_found() -> None:
    one = wild_history(5, 40).pages()
    other = [
        replace(page, head=replace(page.head, run_id=f"other-{page.head.run_id}"), rows=_renamed(page))
        for page in one
    ]
    shared = [violation for violation in violations_of([*one, *other]) if "was given before" in violation.text]
    assert {violation.invariant for violation in shared} == {Invariant.IDENTITY}


def _renamed(page: Page) -> tuple[object, ...]:
    return tuple(replace(row, run_id=f"other-{page.head.run_id}") for row in page.rows)
