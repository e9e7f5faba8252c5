"""Values that are nearly what was asked for, of the kinds that programs hand over by mistake."""

from __future__ import annotations

import datetime
import decimal
import enum
import fractions
import numbers
from typing import Any, NoReturn

from hypothesis import strategies as st


class Plain(enum.Enum):
    MAIN = "main"


class Named(str, enum.Enum):  # noqa: UP042 - as people wrote it before there was StrEnum
    ONE = "one"


class Loud(str):
    """A text that shows something else than it is."""

    def __str__(self) -> str:
        return "other"

    __repr__ = __str__
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        return False


class NumpyLike(float):
    """As numpy.float64: a float whose arithmetic gives something that is none of Python's own types."""

    def __mul__(self, other: Any) -> Any:
        return NumpyLike(float(self) * other)

    __rmul__ = __mul__

    def __gt__(self, other: Any) -> Any:
        return "neither true nor false"


class Index:
    """As numpy.int64: no int, but a whole number all the same."""

    def __init__(self, value: int) -> None:
        self._value = value

    def __index__(self) -> int:
        return self._value

    def __repr__(self) -> str:
        return f"Index({self._value})"


numbers.Integral.register(Index)


class Unspeakable:
    def refuse(self, *_: Any) -> NoReturn:
        raise RuntimeError("not to be asked")

    __str__ = __repr__ = __eq__ = __bool__ = __index__ = __float__ = __len__ = refuse  # type: ignore[assignment]
    __hash__ = None  # type: ignore[assignment]


class Timedelta(datetime.timedelta):
    """As pandas.Timedelta: counts nanoseconds, and says so in another way."""

    def total_seconds(self) -> Any:
        return NumpyLike(super().total_seconds())


ODD: list[Any] = [
    None, True, False, 0, 1, -1, 7, 3.0, 1.5, -0.5, 0.0, 2**31, 2**53, 2**70, 10**400, 1e15, 1e308, 1e-9,
    float("inf"), float("-inf"), float("nan"), decimal.Decimal("1.5"), decimal.Decimal("NaN"),
    fractions.Fraction(1, 3), 1j, NumpyLike(2.5), NumpyLike("nan"), Index(3), Index(-3), Index(2**70),
    datetime.timedelta(seconds=3), datetime.timedelta(0), datetime.timedelta(days=-1), datetime.timedelta.max,
    datetime.timedelta(microseconds=1), Timedelta(seconds=2), datetime.datetime(2026, 1, 1), datetime.time(1),
    "", "a", " ", "7", "abandon", "nonsense", "a\nb", "a\0b", "\ud800", "\u202e", "ü" * 128, "x" * 200,
    "x" * 201, "x" * 240, "x" * 241, "x" * 255, "x" * 256, "x" * 100_000,
    "dead", "a/b", Loud("loud"), Loud("\ud800"),
    Named.ONE, Plain.MAIN, b"bytes", bytearray(b"x"), (), [], {}, set(), [1], ("a",), {"maximum_attempts": 3},
    ValueError, ValueError("x"), object, object(), Unspeakable(), Unspeakable, len, lambda: None, ...,
]  # fmt: skip

odd_values: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from(ODD),
    st.integers(),
    st.floats(),
    st.text(st.characters()),
    st.text(st.characters(categories=["Cs", "Cc", "Cf", "L"])),
    st.timedeltas(),
    st.decimals(),
)
