"""The watermark only grows, and is not raised where the broker has seen a higher one."""

from __future__ import annotations

from dalsegno.persistence.port import Store, Watermark, Writer
from dalsegno.persistence.reader_port import Reader


def test_it_is_raised_by_one_at_the_database_time(store: Store, writer: Writer, reader: Reader) -> None:
    before = reader.watermark()
    first = writer.raise_watermark(above=before.number)
    second = writer.raise_watermark(above=0)
    assert first is not None
    assert second is not None
    assert (first.number, second.number) == (before.number + 1, before.number + 2)
    assert before.time < first.time <= second.time
    assert reader.watermark() == second == store.namespace().watermark


def test_below_what_the_broker_has_seen_it_stays_until_that_is_accepted(writer: Writer, reader: Reader) -> None:
    before = reader.watermark()
    seen = before.number + 7
    assert writer.raise_watermark(above=seen) is None
    assert writer.raise_watermark(above=before.number + 1) is None
    assert reader.watermark() == before

    accepted = writer.raise_watermark(above=seen, accept=True)
    assert accepted == Watermark(seen + 1, reader.watermark().time)
    again = writer.raise_watermark(above=seen, accept=True)
    assert again is not None
    assert again.number == seen + 2
