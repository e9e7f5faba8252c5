"""A Log is a list that only grows, wherever its items lie."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dalsegno.codecs.branches import FAN_OUT, NODE, Branch, Span, StoredReference
from dalsegno.codecs.log import Log, gathered
from dalsegno.payload_store import key_of
from dalsegno.pieces import branches_of, node_of


class Shelf:
    """Pieces in memory."""

    def __init__(self) -> None:
        self._items: dict[str, Sequence[int]] = {}
        self._nodes: dict[str, bytes] = {}
        self.loads = 0

    def put(self, items: Sequence[int]) -> Span:
        key = key_of(repr((items, len(self._items))).encode())
        self._items[key] = items
        return Span(Branch(StoredReference(key, 1, "json/plain"), len(items)), 0, len(items))

    def put_node(self, branches: Sequence[Branch]) -> Branch:
        data = node_of(branches)
        key = key_of(data)
        self._nodes[key] = data
        encoding = f"{NODE}{branches[0].height + 1}"
        return Branch(StoredReference(key, len(data), encoding), sum(branch.items for branch in branches))

    def load(self, branch: Branch) -> Sequence[Any]:
        self.loads += 1
        key = branch.reference.key
        return branches_of(self._nodes[key]) if branch.height else self._items[key]

    def log(self, pieces: Sequence[Sequence[int]], tail: Sequence[int] = ()) -> Log[int]:
        return Log._of(gathered(map(self.put, pieces), self.put_node), tail, self.load)


pieces = st.lists(st.lists(st.integers(), min_size=1, max_size=3), max_size=3 * FAN_OUT)
tails = st.lists(st.integers(), max_size=4)
places = st.integers(-120, 120) | st.none()


@given(pieces, tails, places, places, st.sampled_from([None, 1, 2, -1]))
def test_it_reads_as_a_list_does(
    stored: list[list[int]], tail: list[int], start: int | None, stop: int | None, step: int | None
) -> None:
    shelf = Shelf()
    log, plain = shelf.log(stored, tail), [*chain.from_iterable(stored), *tail]
    assert (len(log), list(log), list(reversed(log))) == (len(plain), plain, plain[::-1])
    assert list(log[start:stop:step]) == plain[start:stop:step]
    assert list(log[start:stop][1:][:2]) == plain[start:stop][1:][:2]
    assert log == Log(plain)
    if start is not None and -len(plain) <= start < len(plain):
        assert log[start] == plain[start]


@given(pieces, tails, places)
def test_a_slice_grows_by_itself(stored: list[list[int]], tail: list[int], start: int | None) -> None:
    log = Shelf().log(stored, tail)
    before = list(log)
    part = log[start:]
    part.append(1)
    part.extend([2, 3])
    assert (list(log), list(part)) == (before, [*before[start:], 1, 2, 3])


def test_of_very_many_pieces_few_are_named() -> None:
    shelf = Shelf()
    log = shelf.log([[number] for number in range(FAN_OUT**2 + 5)])
    assert len(log._spans) == 6
    assert log[FAN_OUT**2 - 1] == FAN_OUT**2 - 1
    assert shelf.loads == 3


def test_what_is_gathered_already_is_gathered_on() -> None:
    """As from sign to sign: the nodes are those that would have been made at once."""
    shelf = Shelf()
    spans: list[Span] = []
    for number in range(FAN_OUT**2):
        spans = gathered([*spans, shelf.put([number])], shelf.put_node)
    [span] = spans
    assert (span.branch.height, list(Log._of(spans, [], shelf.load))) == (2, list(range(FAN_OUT**2)))


def test_it_changes_in_no_other_way() -> None:
    log = Log([1, 2])
    with pytest.raises(TypeError):
        log[0] = 3  # type: ignore[index]
    with pytest.raises(TypeError):
        del log[0]  # type: ignore[attr-defined]
    with pytest.raises(IndexError):
        log[2]
    with pytest.raises(TypeError, match="unhashable"):
        hash(log)
    assert log != [1, 2]
