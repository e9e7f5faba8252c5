"""Unions. What says by itself which member it is, is written as it is; the rest with a tag.

    Card | Transfer     {"$type": "Card", "number": "4"}        classes: always, when there are two of them
    str | UUID          "tea"   "00000000-0000-..."             as they are
                        {"$type": "str", "value": "00000000-0000-..."}    a str that would be read as a UUID

Without a tag, a value is read as the first member that it fits exactly, the special before the general: None,
bool, numbers, literals, enums, UUID, datetime, date, time, timedelta, Decimal, objects, str, paths, bytes,
tuples, lists, sets, dicts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from dalsegno.codecs.codec import Codec, Misfit, UnsupportedAnnotationError, same

TAG = "$type"
VALUE = "value"
_NUMBERS = (int, float)


class UnionCodec(Codec):
    """One of several."""

    by_msgspec = True

    def __init__(self, hint: Any, members: Sequence[Codec]) -> None:
        super().__init__(hint)
        self._members = sorted(members, key=lambda member: member.rank)
        counts = Counter(member.name for member in members)
        self._tags = {
            member: member.name if counts[member.name] == 1 else _long_name(member) for member in self._members
        }
        self._tagged = {tag: member for member, tag in self._tags.items()}
        if len(self._tagged) < len(self._members):
            raise UnsupportedAnnotationError(
                "two of its members have the same name, so that no tag tells them apart"
            )
        self._classes_differ_by_tag = sum(member.of_class for member in members) > 1
        self.rank = max(member.rank for member in members)

    def parts(self) -> Iterable[Codec]:
        return self._members

    def suits(self, value: Any) -> bool:
        return any(member.suits(value) for member in self._members)

    def exact(self, value: Any) -> bool:
        # (int before float: an int is written and read as what it is.)
        return self.native and any(member.exact(value) for member in self._members)

    def write(self, value: Any) -> Any:
        refused: Misfit | None = None
        for member in self._members:
            if not member.suits(value):
                continue
            try:
                data = member.write(value)
            except Misfit as misfit:
                refused = refused or misfit
                continue
            if not self._needs_tag(member, data):
                return data
            if member.of_class and type(data) is dict and TAG not in data:
                return {TAG: self._tags[member], **data}
            return {TAG: self._tags[member], VALUE: data}
        raise refused or self.refuse(value)

    def coerce(self, value: Any) -> Any:
        """The value itself, where it is of one of the members; else as the only one that it can be."""
        refused: Misfit | None = None
        for member in self._members:
            if not member.suits(value):
                continue
            try:
                member.write(value)
            except Misfit as misfit:
                refused = refused or misfit
                continue
            return value
        if type(value) is dict and (tagged := self._untagged(value)) is not None:
            member, data = tagged
            return member.coerce(data)
        found: list[tuple[Codec, Any]] = []
        for member in self._members:
            try:
                found.append((member, member.coerce(value)))
            except Misfit as misfit:
                refused = refused or misfit
        if not found:
            raise refused or self.refuse(value)
        of_its_kind = [one for one in found if one[0].suits(value)] or found
        if len(of_its_kind) > 1 and not all(member.plain in _NUMBERS for member, _ in of_its_kind):
            raise Misfit(f"It may be {' or '.join(sorted(self._tags[member] for member, _ in of_its_kind))}")
        return of_its_kind[0][1]

    def _needs_tag(self, member: Codec, data: Any) -> bool:
        if self.native:
            return False
        if member.of_class and self._classes_differ_by_tag:
            return True
        try:
            found, again = self._find(data)
            return found is not member or not same(member.write(again), data)
        except Misfit:
            return True

    def read(self, data: Any) -> Any:
        return self._find(data)[1]

    def _find(self, data: Any) -> tuple[Codec, Any]:
        if type(data) is dict and (tagged := self._untagged(data)) is not None:
            return tagged[0], tagged[0].read(tagged[1])
        fitting = list(self._fitting(data))
        exact = [one for one in fitting if one[2]]
        for found in (exact, fitting):
            if not found:
                continue
            if found[0][0].of_class and sum(member.of_class for member, _, _ in found) > 1:
                names = " or ".join(sorted(self._tags[member] for member, _, _ in found if member.of_class))
                raise Misfit(f'It may be {names}: give it a "{TAG}" with that name')
            return found[0][0], found[0][1]
        raise Misfit(f"Expected `{self.name}`, got something else")

    def _untagged(self, data: dict[Any, Any]) -> tuple[Codec, Any] | None:
        tag = data.get(TAG)
        member = self._tagged.get(tag) if type(tag) is str else None
        if member is None:
            return None
        rest = {key: part for key, part in data.items() if key != TAG}
        wrapped = rest.keys() == {VALUE} and not (member.of_class and _has_field(member, VALUE))
        return member, rest[VALUE] if wrapped else rest

    def _fitting(self, data: Any) -> Iterator[tuple[Codec, Any, bool]]:
        """The members that the data can be read as, and whether they would be written as just that."""
        for member in self._members:
            try:
                value = member.read(data)
                again = member.write(value)
            except Misfit:
                continue
            yield member, value, type(again) is type(data) and again == data


def _has_field(member: Codec, name: str) -> bool:
    return any(slot.key == name for slot in getattr(member, "slots", ())) or name in getattr(
        member, "_parts", {}
    )


def _long_name(member: Codec) -> str:
    hint = member.hint
    return f"{hint.__module__}.{hint.__qualname__}" if isinstance(hint, type) else str(hint)


def union_codec(hint: Any, members: Sequence[Codec]) -> Codec:
    """Members that stand for the same are one; what is not annotated is all."""
    for member in members:
        if member.rank == 90:
            return member
    return UnionCodec(hint, members)
