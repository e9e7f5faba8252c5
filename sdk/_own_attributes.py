"""The search attributes of the workflow that runs: a part of `dalsegno.workflow`."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from dalsegno import given
from dalsegno._call_site import call_site
from dalsegno._runtime import current_runtime
from dalsegno.search_attributes import (
    AttributeValue,
    SearchAttributeUpdate,
    TypedSearchAttributes,
    shown_attributes,
)

_UPDATES = "a list of what keys set, as in [SearchAttributeKey.for_int('Total').value_set(3)]"


def search_attributes_now() -> TypedSearchAttributes:
    return shown_attributes(current_runtime("info().typed_search_attributes").search_attributes)


def upsert_search_attributes(
    attributes: Sequence[SearchAttributeUpdate[Any]],
) -> None:
    """Set attributes of the run, or take them back, by `key.value_set(...)` and `key.value_unset()`. Lists find
    the run by them with its next commit.

    Raises TypeError and ValueError for what is no such update, or too much for one run. A workflow that sets
    what its namespace has not declared, or as another type, is suspended there, and goes on once it is
    declared.
    """
    changes: dict[str, AttributeValue | None] = {}
    if isinstance(attributes, Mapping):
        raise given.wrong_type("attributes", attributes, _UPDATES)
    for change in given.arguments("attributes", attributes):
        if not isinstance(change, SearchAttributeUpdate):
            raise given.wrong_type(
                "Each of attributes", change, "what value_set or value_unset of a SearchAttributeKey gives"
            )
        changes[change.key.name] = change.stored
    runtime = current_runtime("upsert_search_attributes")
    runtime.upsert_search_attributes(changes, call_site(sys._getframe(1)))
