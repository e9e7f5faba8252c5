"""A workflow that is found by search attributes."""

from __future__ import annotations

from datetime import UTC, datetime

from dalsegno import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes, workflow

CUSTOMER = SearchAttributeKey.for_keyword("Customer")
TOTAL = SearchAttributeKey.for_int("Total")
PRICE = SearchAttributeKey.for_float("Price")
PAID = SearchAttributeKey.for_bool("Paid")
DUE = SearchAttributeKey.for_datetime("Due")
TAGS = SearchAttributeKey.for_keyword_list("Tags")
NOTE = SearchAttributeKey.for_text("Note")
EACH = (CUSTOMER, TOTAL, PRICE, PAID, DUE, TAGS, NOTE)
LATE = SearchAttributeKey.for_keyword("DeclaredLate")
NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)


@workflow.defn
class Sought:
    def __init__(self) -> None:
        self.is_over = False

    @workflow.run
    async def run(self) -> int:
        await workflow.wait_condition(lambda: self.is_over)
        return workflow.info().typed_search_attributes.get(TOTAL, 0)

    @workflow.signal
    def pay(self, total: int) -> None:
        workflow.upsert_search_attributes([TOTAL.value_set(total), PAID.value_set(True), NOTE.value_unset()])

    @workflow.signal
    def label(self, text: str) -> None:
        workflow.upsert_search_attributes([LATE.value_set(text)])

    @workflow.signal
    def end(self) -> None:
        self.is_over = True

    @workflow.query
    def known(self) -> list[str]:
        return [pair.key.name for pair in workflow.info().typed_search_attributes]


def all_of(customer: str) -> TypedSearchAttributes:
    return TypedSearchAttributes(
        [
            SearchAttributePair(CUSTOMER, customer),
            SearchAttributePair(TOTAL, 7),
            SearchAttributePair(PRICE, 0.5),
            SearchAttributePair(PAID, False),
            SearchAttributePair(DUE, NOON),
            SearchAttributePair(TAGS, ["new", "big"]),
            SearchAttributePair(NOTE, "a note"),
        ]
    )
