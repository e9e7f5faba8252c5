"""Search attributes as workflow code sees and sets them."""

from __future__ import annotations

from typing import Any

import pytest

from dalsegno import (
    QueryFailedError,
    SearchAttributeKey,
    SearchAttributePair,
    TypedSearchAttributes,
    workflow,
)
from dalsegno.actors.workflow_actor.attributes.intents import UpsertAttributes
from dalsegno.actors.workflow_actor.program.port import WorkflowCodeError
from dalsegno.actors.workflow_actor.run.intents import ContinueAsNew
from dalsegno.search_attributes import AttributeValue
from dalsegno.search_attributes import SearchAttributeIndexedValueType as Type
from tests.workflow_actor.program.play import Play

TOTAL = SearchAttributeKey.for_int("Total")
TAGS = SearchAttributeKey.for_keyword_list("Tags")
NOTES = [SearchAttributeKey.for_text(f"Note{number}") for number in range(9)]


@workflow.defn
class Counts:
    @workflow.run
    async def run(self, rounds: int) -> list[Any]:
        known = workflow.info().typed_search_attributes
        if rounds == 2:
            workflow.upsert_search_attributes([TOTAL.value_set(7), TAGS.value_set(["a", "b"])])
            workflow.upsert_search_attributes([TAGS.value_unset()])
        if rounds:
            workflow.checkpoint(rounds - 1)
        return [known.get(TOTAL), TAGS in workflow.info().typed_search_attributes]

    @workflow.query
    def total(self) -> int | None:
        return workflow.info().typed_search_attributes.get(TOTAL)

    @workflow.query
    def change(self) -> None:
        workflow.upsert_search_attributes([TOTAL.value_set(1)])


@workflow.defn
class Sets:
    @workflow.run
    async def run(self) -> int:
        await workflow.wait_condition(lambda: False)
        return 0

    @workflow.signal
    def total(self, number: int) -> None:
        workflow.upsert_search_attributes([TOTAL.value_set(number)])

    @workflow.signal
    def wrong(self) -> None:
        workflow.upsert_search_attributes([TOTAL])  # type: ignore[list-item]

    @workflow.signal
    def too_much(self) -> None:
        workflow.upsert_search_attributes([note.value_set("x" * 4_000) for note in NOTES])

    @workflow.query
    def known(self) -> int | None:
        return workflow.info().typed_search_attributes.get(TOTAL)

    @workflow.query
    def change(self) -> None:
        workflow.upsert_search_attributes([TOTAL.value_set(1)])


def test_what_code_sets_it_sees_and_a_sign_keeps_it() -> None:
    play = Play(Counts)
    play.begin(2)
    assert play.result == [7, False]
    assert [intent.digest for intent in play.intents if isinstance(intent, UpsertAttributes)] == [
        "upsert search attributes Total, Tags",
        "upsert search attributes Tags",
    ]
    assert [signed.attributes for signed in play.signs] == [{"Total": AttributeValue(Type.INT, 7)}] * 2
    play.replayed()


def test_an_intent_names_the_line_and_what_was_set_comes_back_with_the_code() -> None:
    play = Play(Sets)
    play.begin()
    (intent,) = play.signal("total", 3)
    assert isinstance(intent, UpsertAttributes)
    assert intent.attributes == {"Total": AttributeValue(Type.INT, 3)}
    assert intent.line.startswith("test_search_attributes.py:")
    assert play.query("known") == 3
    assert play.replayed().query("known") == 3


def test_a_query_may_read_them_and_set_none() -> None:
    play = Play(Sets)
    play.begin()
    play.signal("total", 3)
    with pytest.raises(
        QueryFailedError, match=r"workflow\.upsert_search_attributes was called in the query handler"
    ):
        play.query("change")
    assert play.query("known") == 3


@pytest.mark.parametrize(
    ("signal", "said"),
    [
        ("wrong", "Each of attributes must be what value_set or value_unset"),
        ("too_much", "a run's search attributes may have 32,000 bytes, and these have 36,045"),
    ],
)
def test_what_cannot_be_set_is_an_error_in_workflow_code(signal: str, said: str) -> None:
    play = Play(Sets)
    play.begin()
    with pytest.raises(WorkflowCodeError) as stuck:
        play.signal(signal)
    assert said in stuck.value.reason
    assert "test_search_attributes.py" in stuck.value.reason


@workflow.defn
class GoesOn:
    @workflow.run
    async def run(self, wrong: bool) -> None:
        workflow.upsert_search_attributes([TAGS.value_set(["a"])])
        anew: Any = "x" if wrong else TypedSearchAttributes([SearchAttributePair(TOTAL, 7)])
        workflow.continue_as_new(False, search_attributes=anew)


@workflow.defn
class SaysItAsOldCodeDoes:
    @workflow.run
    async def run(self) -> None:
        workflow.upsert_search_attributes({"Total": [7]})  # type: ignore[arg-type]


def test_the_old_form_without_types_is_refused_with_the_one_that_there_is() -> None:
    with pytest.raises(WorkflowCodeError, match=r"for_int\('Total'\).value_set\(3\)"):
        Play(SaysItAsOldCodeDoes).begin()


def test_a_run_that_goes_on_may_be_given_others() -> None:
    play = Play(GoesOn)
    play.begin(False)
    sets = [intent for intent in play.intents if isinstance(intent, UpsertAttributes)]
    assert sets[-1].attributes == {"Tags": None, "Total": AttributeValue(Type.INT, 7)}
    assert isinstance(play.intents[-1], ContinueAsNew)
    with pytest.raises(WorkflowCodeError, match="search_attributes must be"):
        Play(GoesOn).begin(True)
