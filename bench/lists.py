"""A page of a filtered list, and counts, over a million runs.

    script/bench lists                                       PostgreSQL
    script/bench lists --database sqlite

Runs began a second apart and lasted an hour; a thousandth of them failed, one in twenty thousand is of a rare
type, and the newest hour's are open. Each has three search attributes: one of 50,000 customers, one of four
regions, a total from 0 to 999,999. Each filter's first page, and the page behind it, is read as a host reads
it.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import sqlalchemy as sa

from bench.cold_load import tidy
from bench.meter import calibrate, emit, percentile
from dalsegno.cli.namespace import initialise
from dalsegno.persistence import open_database, open_store
from dalsegno.persistence.database import Role
from dalsegno.persistence.filters.grammar import parse
from dalsegno.search_attributes import SearchAttributeIndexedValueType as Type
from tests.servers import PostgresServer

SECOND = 1_000_000
FILTERS = (
    "",
    "Status = failed",
    "Status = running and StartTime < -30m",
    'Type = "Rare"',
    'Type = "Order" and Status != completed',
    'WorkflowID = "w-500000"',
    'WorkflowID starts_with "w-77777"',
    "StartTime between -100h and -99h",
    "CloseTime > -90m",
    "CloseTime < -200h",
    "CloseTime between -100h and -99h order by CloseTime desc",
    "order by CloseTime desc",
    'Customer = "c-777"',
    'Customer starts_with "c-77"',
    'Region = "r-1"',
    'Region = "r-1" and Status = failed',
    'Region in ("r-1", "r-2") and StartTime < -100h',
    'Region = "r-1" and CloseTime > -90m',
    'Region = "r-1" order by CloseTime desc',
    "Total > 999900",
    "Total > 990000",
    "Total > 100000",
    "Total between 500000 and 500100",
    "order by Total desc",
    'Region = "r-1" and Total > 500000 order by Total',
)
COUNTS = (
    "Status = failed",
    "StartTime > -1d group by Type",
    "group by Status, Type",
    'Customer = "c-777"',
    'Region = "r-1"',
    "Total > 990000 group by Region",
    "group by Region",
)
DECLARED = {"Customer": Type.KEYWORD, "Region": Type.KEYWORD, "Total": Type.INT}
_VALUES = {
    "Customer": ("'c-' || (n % 50000)", "NULL"),
    "Region": ("'r-' || (n % 4)", "NULL"),
    "Total": ("NULL", "(n * CAST(7919 AS BIGINT)) % 1000000"),
}
"""Keyword and integer, of the run's number."""
_ROW = """
    'run-' || n, 'w-' || n, CASE WHEN n % 20000 = 0 THEN 'Rare' WHEN n % 5 = 0 THEN 'Invoice' ELSE 'Order' END,
    'default', CASE WHEN n > {open} THEN 'running' WHEN n % 1000 = 0 THEN 'failed' ELSE 'completed' END,
    {first} + n * CAST(1000000 AS BIGINT),
    CASE WHEN n > {open} THEN NULL ELSE {first} + (n + 3600) * CAST(1000000 AS BIGINT) END, NULL, NULL, NULL"""
_ATTRIBUTE = """
    'run-' || n, '{name}', 0, {first} + n * CAST(1000000 AS BIGINT), {keyword}, {number}, NULL, NULL"""
_FILLED = {
    "postgresql": "INSERT INTO {table} SELECT {row} FROM generate_series(1, {count}) AS n",
    "sqlite": (
        "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {count}) "
        "INSERT INTO {table} SELECT {row} FROM numbers"
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="script/bench lists", description=__doc__.splitlines()[0])
    parser.add_argument("--database", choices=["postgresql", "sqlite"], default="postgresql")
    parser.add_argument("--runs", type=int, default=1_000_000)
    parser.add_argument("--times", type=int, default=20)
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dalsegno-bench-")))
        if options.database == "postgresql":
            url = stack.enter_context(PostgresServer()).url
        else:
            url = f"sqlite:///{folder / 'bench.db'}"
        initialise(f"embedded:{folder / 'broker.db'}", url, 1)
        now = time.time_ns() // 1_000
        fill(url, options.database, options.runs, now)
        measure(url, options.database, options.times, now)


def fill(url: str, kind: str, count: int, now: int) -> None:
    attributes = open_store(url).search_attributes()
    for name, type_ in DECLARED.items():
        attributes.add(name, type_)
    attributes.close()
    first = now - count * SECOND
    rows = [("runs", _ROW.format(open=count - 3_600, first=first))]
    for name, (keyword, number) in _VALUES.items():
        row = _ATTRIBUTE.format(name=name, first=first, keyword=keyword, number=number)
        rows.append(("run_attributes", row))
    for table, row in rows:
        with open_database(url).engine(Role.SCHEMA).begin() as connection:
            connection.execute(sa.text(_FILLED[kind].format(table=table, row=row, count=count)))
    tidy(url)


def measure(url: str, kind: str, times: int, now: int) -> None:
    reader = open_store(url).people_reader()
    for text in FILTERS:
        wanted = parse(text, now=now, declared=DECLARED)
        took, found = [], 0
        for _ in range(times):
            cursor = None
            for _ in range(2):
                began = time.perf_counter()
                page, cursor = reader.find_runs(wanted, limit=100, before=cursor)
                took.append((time.perf_counter() - began) * 1_000)
                found += len(page)
                if cursor is None:
                    break
        show(f"lists {kind}", text, took, found // times)
    for text in COUNTS:
        wanted = parse(text, now=now, declared=DECLARED)
        took = []
        for _ in range(times):
            began = time.perf_counter()
            counted = reader.count_runs(wanted)
            took.append((time.perf_counter() - began) * 1_000)
        show(f"counts {kind}", text, took, counted.count)
    reader.close()


def show(subject: str, text: str, took: list[float], found: int) -> None:
    emit(
        subject,
        text or "all",
        found=found,
        p50_ms=round(percentile(took, 50), 2),
        max_ms=round(max(took), 2),
        calib_ms=round(calibrate(), 2),
    )


if __name__ == "__main__":
    main()
