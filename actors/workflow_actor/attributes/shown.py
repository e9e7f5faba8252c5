"""Search attributes as others see them, and as rows by which lists find the run."""

from __future__ import annotations

from collections.abc import Mapping

from dalsegno.persistence.port import AttributeSet
from dalsegno.search_attributes import AttributeValue


def attributes_set(
    run_id: str,
    begun_at: int,
    before: Mapping[str, AttributeValue],
    after: Mapping[str, AttributeValue],
) -> tuple[AttributeSet, ...]:
    """What was changed; `before` is empty for a run that begins."""
    return tuple(
        AttributeSet(
            run_id=run_id,
            begun_at=begun_at,
            name=name,
            value=after.get(name),
            places=max(_places(before.get(name)), _places(after.get(name))),
        )
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    )


def _places(value: AttributeValue | None) -> int:
    return len(value.value) if value is not None and isinstance(value.value, tuple) else 1
