"""Activities that the workflows of these tests ask for. None of them ever runs here."""

from __future__ import annotations

from dataclasses import dataclass

from dalsegno import activity


@dataclass
class Receipt:
    number: str
    amount: int


@activity.defn
async def echo(value: str) -> str:
    return value


@activity.defn
async def work(step: int) -> int:
    return step


@activity.defn
def add(left: int, right: int) -> int:
    return left + right


@activity.defn(name="charge-card")
async def charge(amount: int) -> Receipt:
    return Receipt("r", amount)


class Desk:
    @activity.defn
    async def stamp(self, text: str) -> str:
        return text
