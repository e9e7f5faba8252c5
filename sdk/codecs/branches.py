"""What stands for pieces of a payload store, within values: where they lie, and how many items hang there."""

from __future__ import annotations

from typing import NamedTuple

NODE = "node/"
"""How the encoding of a piece begins that is a node; behind it comes its height above what holds items. No
codec reads it: it holds digests and sizes alone."""
FAN_OUT = 8
"""Pieces under a node."""


class StoredReference(NamedTuple):
    """To a piece: `key` is the digest of its bytes, `encoding` the label of what they are."""

    key: str
    size: int
    encoding: str

    @property
    def is_node(self) -> bool:
        return self.encoding.startswith(NODE)


class Branch(NamedTuple):
    """A piece in its place: `items` of them lie in it, or in the pieces below."""

    reference: StoredReference
    items: int

    @property
    def height(self) -> int:
        """0 for a piece that holds items."""
        encoding = self.reference.encoding
        return int(encoding.removeprefix(NODE)) if self.reference.is_node else 0


class Span(NamedTuple):
    """Of what lies under a branch, the items from `start` to `stop`."""

    branch: Branch
    start: int
    stop: int

    @property
    def is_whole(self) -> bool:
        return self.start == 0 and self.stop == self.branch.items
