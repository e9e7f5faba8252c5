"""What events make of search attributes: the part of `run.apply` that is theirs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from dalsegno.actors.workflow_actor.attributes.events import SearchAttributesUpserted
from dalsegno.search_attributes import AttributeValue


class AttributesState(Protocol):
    @property
    def attributes(self) -> Mapping[str, AttributeValue]: ...


class AttributesDraft(Protocol):
    """The state as it is being made. (It is `run.draft.Draft`.)"""

    @property
    def state(self) -> AttributesState: ...

    def change(self, **fields: Any) -> None: ...


def merged(
    attributes: Mapping[str, AttributeValue], changes: Mapping[str, AttributeValue | None]
) -> dict[str, AttributeValue]:
    """In the order of their names."""
    both = {**attributes, **changes}
    return {name: value for name in sorted(both) if (value := both[name]) is not None}


def _upserted(draft: AttributesDraft, want: SearchAttributesUpserted) -> None:
    draft.change(attributes=merged(draft.state.attributes, want.attributes))


APPLY: dict[type, Callable[[Any, Any], None]] = {SearchAttributesUpserted: _upserted}
