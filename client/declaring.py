"""Search attributes of a namespace: declaring them, and taking that back."""

from __future__ import annotations

from typing import Any

from dalsegno import given
from dalsegno.broker.protocol.messages import DeclareSearchAttribute, RemoveSearchAttribute
from dalsegno.client.engine import EnginePort
from dalsegno.search_attributes import SearchAttributeKey


class Declaring:
    """The part of a client that does. `search_attributes()` tells what there is."""

    _answers: EnginePort

    async def declare_search_attributes(
        self, *keys: SearchAttributeKey[Any]
    ) -> tuple[SearchAttributeKey[Any], ...]:
        """Declare them for the namespace, one after the other; those that are so already stay as they are.
        Returns those that are new. Raises CommandRejectedError for a name that cannot be, or that has another
        type, and UnsupportedError where the host that answers is of a version before; those before it in the
        order are declared then."""
        for key in keys:
            if not isinstance(key, SearchAttributeKey):
                raise given.wrong_type(
                    "key", key, "a SearchAttributeKey, such as SearchAttributeKey.for_int('Total')"
                )
        new = []
        for key in keys:
            question = DeclareSearchAttribute(name=key.name, value_type=key.indexed_value_type)
            if (await self._answers.control(question)).search_attributes:
                new.append(key)
        return tuple(new)

    async def remove_search_attribute(self, name: str, *, force: bool = False) -> bool:
        """Take a declaration back; False where there is none of that name. Raises CommandRejectedError where
        runs have the attribute, unless `force` takes it from all of them: none is found by it any more."""
        question = RemoveSearchAttribute(name=given.name("name", name), force=given.flag("force", force))
        return bool((await self._answers.control(question)).search_attributes)
