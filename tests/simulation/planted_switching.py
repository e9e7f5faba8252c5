"""Bugs to plant that show only where payload codecs, a payload store and interceptors are switched on."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any
from unittest.mock import patch

from msgspec.structs import replace

from dalsegno import stored_payloads
from dalsegno.actors.workflow_actor.program.life import ProgramLife
from dalsegno.actors.workflow_actor.program.replay import LiveProgram
from dalsegno.actors.workflow_actor.run import succession
from dalsegno.encryption import Key, Keys, KeyScope
from dalsegno.payload import Payload
from dalsegno.payload_codec import CodedPayloads
from dalsegno.shelf import PieceShelf
from tests.simulation.planted_releases import Plant

_continued = succession._continued
_asked = CodedPayloads._asked
_cut = PieceShelf.cut


class AnyKey(str):
    """Equal to every other."""

    __slots__ = ()

    def __ne__(self, other: object) -> bool:
        return False


def what_travels_whole_is_left_in_the_clear() -> AbstractContextManager[Any]:
    """And what goes to another workflow."""

    def asked(self: CodedPayloads, what: str, payload: Payload) -> Payload:
        return payload if what == "encode" and self.tell is not self else _asked(self, what, payload)

    return patch.object(CodedPayloads, "_asked", asked)


def reference_sealed_before_its_piece_is_stored() -> AbstractContextManager[Any]:
    return patch.object(LiveProgram, "take_pieces", lambda *_: {})


def missing_key_left_to_user_code() -> AbstractContextManager[Any]:
    return patch.object(ProgramLife, "require_no_trouble", lambda *_: None)


def piece_taken_for_what_it_is_not() -> AbstractContextManager[Any]:
    return patch.object(stored_payloads, "key_of", lambda _: AnyKey())


def only_the_last_piece_of_a_log_is_named() -> AbstractContextManager[Any]:
    def cut(self: PieceShelf, log: Any, spans: Any, tail: Any) -> Any:
        named, left = _cut(self, log, spans, tail)
        return named[-1:], left

    return patch.object(PieceShelf, "cut", cut)


def headers_forgotten_by_the_next_run() -> AbstractContextManager[Any]:
    def continued(*args: Any, **named: Any) -> Any:
        return replace(_continued(*args, **named), headers={})

    return patch.object(succession, "_continued", continued)


def only_the_key_that_seals_opens() -> AbstractContextManager[Any]:
    """So that what was sealed before keys were rotated is not read any more."""

    def opening_key(self: Keys, key_id: str, scope: KeyScope) -> Key | None:
        return key if (key := self.sealing_key(scope)).id == key_id else None

    return patch.object(Keys, "opening_key", opening_key)


SWITCHING_BUGS: dict[Plant, set[str]] = {
    what_travels_whole_is_left_in_the_clear: {"plaintext"},
    reference_sealed_before_its_piece_is_stored: {"pieces"},
    missing_key_left_to_user_code: {"outcome", "I1", "I29"},
    piece_taken_for_what_it_is_not: {"outcome", "I29", "I12"},
    only_the_last_piece_of_a_log_is_named: {"outcome"},
    headers_forgotten_by_the_next_run: {"headers"},
    only_the_key_that_seals_opens: {"PayloadCodecError", "I29"},
}
"""Each with the invariants that may find it."""
