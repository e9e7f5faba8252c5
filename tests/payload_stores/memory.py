"""A payload store in memory, that can be away, and lose what it holds."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence


class MemoryPayloadStore:
    def __init__(self) -> None:
        self.pieces: dict[str, tuple[float, bytes]] = {}
        self.is_away = False
        self.puts: list[str] = []
        self.gets: list[str] = []

    def put(self, key: str, data: bytes, /) -> None:
        self.puts.append(key)
        self._answer()
        self.pieces[key] = time.time(), data

    def get(self, key: str, /) -> bytes | None:
        self.gets.append(key)
        self._answer()
        found = self.pieces.get(key)
        return None if found is None else found[1]

    def delete(self, keys: Sequence[str], before: float, /) -> None:
        for key in keys:
            if key in self.pieces and self.pieces[key][0] < before:
                del self.pieces[key]

    def keys(self, before: float, /) -> Iterator[str]:
        return iter([key for key, (put_at, _) in self.pieces.items() if put_at < before])

    def _answer(self) -> None:
        if self.is_away:
            raise ConnectionError("nobody answers")
