"""The user code that is simulated where updates come with starts, signals are edited by persons, and runs are
found by search attributes. As in `workflows`, what each comes to depends on its arguments and on what it is
sent alone."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from dalsegno import ApplicationError, workflow
from dalsegno.search_attributes import (
    AttributeValue,
    SearchAttributeIndexedValueType,
    SearchAttributeKey,
    SearchAttributePair,
    TypedSearchAttributes,
)
from tests.simulation.whole_workflows import Desk
from tests.simulation.workflows import act

STAGE = SearchAttributeKey.for_int("Stage")
WORDS = SearchAttributeKey.for_keyword_list("Words")
NOTE = SearchAttributeKey.for_keyword("Note")
LATE = SearchAttributeKey.for_bool("Late")
KEYS: dict[str, SearchAttributeKey[Any]] = {key.name: key for key in (STAGE, WORDS, NOTE, LATE)}
DECLARED: dict[str, SearchAttributeIndexedValueType] = {
    name: key.indexed_value_type for name, key in KEYS.items()
}
"""The last of them later than the others."""

Labels = dict[str, Any]
"""By name; None takes one back."""
Change = tuple[str, Labels]
"""What is done before labels are set, and these."""


def typed(labels: Labels) -> TypedSearchAttributes:
    return TypedSearchAttributes([SearchAttributePair(KEYS[name], value) for name, value in labels.items()])


def stored(labels: Labels) -> dict[str, AttributeValue]:
    """As they are written."""
    pairs = {name: KEYS[name].value_set(value).stored for name, value in labels.items()}
    return {name: value for name, value in pairs.items() if value is not None}


def after(labels: Labels, changes: list[Change]) -> Labels:
    """What these make of them: no more than a plain reading."""
    both = dict(labels)
    for _, change in changes:
        both |= change
    return {name: value for name, value in both.items() if value is not None}


def fold(first: Mapping[str, AttributeValue], changes: list[Change]) -> dict[str, AttributeValue]:
    """As `after`, of what is stored."""
    both: Labels = dict(first)
    for _, change in changes:
        both |= {name: None if value is None else stored({name: value})[name] for name, value in change.items()}
    return {name: value for name, value in both.items() if value is not None}


@workflow.defn
class Labelled:
    """One list of changes for each run of a chain; it fails that often first in the last of them. Its result is
    what it has in the end."""

    @workflow.run
    async def run(self, parts: list[list[Change]], fails: int = 0) -> Labels:
        for before, change in parts[0]:
            if before == "act":
                await act("add", 1, 1)
            elif before == "sleep":
                await asyncio.sleep(0.05)
            workflow.upsert_search_attributes(
                [
                    KEYS[name].value_unset() if value is None else KEYS[name].value_set(value)
                    for name, value in change.items()
                ]
            )
        if len(parts) > 1:
            workflow.continue_as_new(args=[parts[1:], fails])
        if workflow.info().attempt <= fails:
            raise ApplicationError("not yet", type="NotYet")
        has = workflow.info().typed_search_attributes
        return {pair.key.name: pair.value for pair in has}


@workflow.defn
class Parent:
    """Of a child that begins with labels, and is left alone or waited for."""

    @workflow.run
    async def run(self, labels: Labels, parts: list[list[Change]]) -> Any:
        return await workflow.execute_child_workflow("Labelled", args=[parts], search_attributes=typed(labels))


@workflow.defn
class FullDesk(Desk):
    """It waits for so many items, as some are seen to by a person first."""

    @workflow.run
    async def run(self, awaited: int) -> list[int]:  # type: ignore[override]
        await workflow.wait_condition(lambda: len(self.items) >= awaited)
        return await super().run()


FULL_WORKFLOWS: tuple[type, ...] = (Labelled, Parent, FullDesk)
