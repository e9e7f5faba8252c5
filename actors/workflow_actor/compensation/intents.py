"""What user code asks for."""

from __future__ import annotations

from msgspec import Struct

from dalsegno.failure import Failure


class PushCompensation(Struct, frozen=True, kw_only=True):
    """Its step comes right behind. `number` is the step's."""

    number: int
    saga: str
    name: str
    step_type: str
    line: str = ""

    @property
    def digest(self) -> str:
        return f"push compensation {self.number} {self.name}"


class DropCompensations(Struct, frozen=True, kw_only=True):
    """There is nothing to undo: the saga has come to its end, or the step has never begun."""

    numbers: tuple[int, ...]
    line: str = ""

    @property
    def digest(self) -> str:
        return f"drop compensations {', '.join(map(str, self.numbers))}"


class BeginCompensation(Struct, frozen=True, kw_only=True):
    """These are undone, in this order."""

    numbers: tuple[int, ...]
    line: str = ""

    @property
    def digest(self) -> str:
        return f"compensate {', '.join(map(str, self.numbers))}"


class SettleCompensation(Struct, frozen=True, kw_only=True):
    """It is undone, or failed for good."""

    number: int
    failure: Failure | None = None
    line: str = ""

    @property
    def digest(self) -> str:
        return f"compensation {self.number} {'done' if self.failure is None else 'failed'}"
