"""What user code asks for."""

from __future__ import annotations

from msgspec import Struct

from dalsegno.failure import Failure
from dalsegno.payload import Payload


class AcceptUpdate(Struct, frozen=True, kw_only=True):
    update_id: str
    line: str = ""

    @property
    def digest(self) -> str:
        return f"accept update {self.update_id}"


class CompleteUpdate(Struct, frozen=True, kw_only=True):
    update_id: str
    result: Payload
    line: str = ""

    @property
    def digest(self) -> str:
        return f"complete update {self.update_id}"


class FailUpdate(Struct, frozen=True, kw_only=True):
    """Its validator has refused it, or its handler has failed."""

    update_id: str
    failure: Failure
    line: str = ""

    @property
    def digest(self) -> str:
        return f"fail update {self.update_id}"
