"""What the namespace has declared, as far as this host knows: it hears of changes with each look at the
cluster, and asks at once when it meets a name that it does not know."""

from __future__ import annotations

from dalsegno.search_attributes import NONE_DECLARED, Declared


class DeclaredAttributes:
    """One for all instances of a host."""

    __slots__ = ("now",)

    def __init__(self, now: Declared = NONE_DECLARED) -> None:
        self.now = now
