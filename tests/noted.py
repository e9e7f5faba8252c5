"""An observer that notes what it is told."""

from __future__ import annotations

from typing import Any

from dalsegno.observer import HOOKS, Observer


class Noted(Observer):
    def __init__(self) -> None:
        self.all: list[tuple[Any, ...]] = []
        for name in HOOKS:
            setattr(self, name, self._noting(name))

    def _noting(self, name: str) -> Any:
        return lambda *told: self.all.append((name, *told))

    def of(self, *names: str) -> list[tuple[Any, ...]]:
        return [told for told in self.all if told[0] in names]
