"""A filter's text as words, each with its place."""

from __future__ import annotations

import re
from enum import Enum
from typing import NamedTuple

from dalsegno.errors import CommandRejectedError

FILTER_CHARACTERS_MAX = 4_000


class InvalidFilterError(CommandRejectedError):
    """A filter that cannot be read. `position` is where, in characters from 1 on."""

    def __init__(self, position: int, what: str) -> None:
        super().__init__(f"The filter cannot be read at character {position}: {what}.")
        self.position = position


class Kind(Enum):
    """Of a token."""

    NAME = "a name"
    TEXT = "a text in quotes"
    TIME = "a time"
    SPAN = "a duration"
    NUMBER = "a number"
    SIGN = "a sign"
    END = "the end"


class Token(NamedTuple):
    """`text` is without quotes. `position` counts from 1."""

    kind: Kind
    text: str
    position: int

    @property
    def shown(self) -> str:
        """For people."""
        return "the filter ends" if self.kind is Kind.END else f"there is {self.text!r}"

    def says(self, *words: str) -> bool:
        """It is one of these words, which are written in lower case."""
        return self.kind in (Kind.NAME, Kind.SIGN) and self.text.lower() in words


_UNIT = r"(?:ms|[smhdw])"
_WORD = re.compile(
    rf"""\s*(?:
      (?P<TEXT>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    | (?P<TIME>\d{{4}}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?)
    | (?P<SPAN>[+-]?(?:\d+(?:\.\d+)?{_UNIT})+(?![A-Za-z0-9_.]))
    | (?P<NUMBER>[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?![A-Za-z0-9_.]))
    | (?P<NAME>`[^`]+`|[^\W\d]\w*)
    | (?P<SIGN>!=|<>|<=|>=|==|[=<>(),])
    )""",
    re.VERBOSE,
)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


def tokens_of(text: str) -> list[Token]:
    """All of them, and an END. Raises InvalidFilterError."""
    if len(text) > FILTER_CHARACTERS_MAX:
        raise InvalidFilterError(
            FILTER_CHARACTERS_MAX + 1,
            f"it has {len(text):,} characters, and {FILTER_CHARACTERS_MAX:,} are allowed",
        )
    found: list[Token] = []
    at, end = 0, len(text.rstrip())
    while at < end:
        match = _WORD.match(text, at)
        if match is None:
            at += len(text[at:]) - len(text[at:].lstrip())
            raise InvalidFilterError(at + 1, _unreadable(text[at]))
        kind = Kind[str(match.lastgroup)]
        word = match[kind.name]
        found.append(Token(kind, _plain(kind, word), match.start(kind.name) + 1))
        at = match.end()
    return [*found, Token(Kind.END, "", end + 1)]


def _plain(kind: Kind, word: str) -> str:
    if kind is Kind.TEXT:
        return _ESCAPED.sub(r"\1", word[1:-1])
    return word.strip("`")


def _unreadable(character: str) -> str:
    if character in "\"'`":
        return f"the text that begins with {character} has no end"
    if character.isdigit() or character in "+-":
        return "that is neither a number nor a duration (like 90s, 2h30m or -1d) nor a time (like 2026-11-30)"
    return f"{character!r} means nothing here"
