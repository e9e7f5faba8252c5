"""What a simulation raises when something does not hold."""

from __future__ import annotations


class Violation(AssertionError):  # noqa: N818 - the field says violation
    """An invariant does not hold. `name` is its number, or its own name."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(f"{name}: {text}")
        self.name = name
