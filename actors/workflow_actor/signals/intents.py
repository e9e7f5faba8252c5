"""What user code asks for, without knowing."""

from __future__ import annotations

from msgspec import Struct

from dalsegno.payload import Payload


class SetSignalAside(Struct, frozen=True, kw_only=True):
    """A signal does not fit its handler. `place`: how many signals the code has been given before it since the
    last sign, with those that came over that. It is not compared when code runs again: that is given nothing in
    the place of such a signal, so that new code need not fit it as little as the old did."""

    place: int
    name: str
    args: tuple[Payload, ...]
    reason: str
    headers: dict[str, Payload] = {}
    line: str = ""

    @property
    def digest(self) -> str:
        return f"set aside signal {self.name}"
