"""A page of a filtered list, and counts, over a million runs.

    script/bench lists                                       PostgreSQL
    script/bench lists --database sqlite

Runs began a second apart and lasted an hour; a thousandth of them failed, one in twenty thousand is of a rare
type, and the newest hour's are open. Each filter's first page, and the page behind it, is read as a host reads
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
)
COUNTS = ("Status = failed", "StartTime > -1d group by Type", "group by Status, Type")
_ROW = """
    'run-' || n, 'w-' || n, CASE WHEN n % 20000 = 0 THEN 'Rare' WHEN n % 5 = 0 THEN 'Invoice' ELSE 'Order' END,
    'default', CASE WHEN n > {open} THEN 'running' WHEN n % 1000 = 0 THEN 'failed' ELSE 'completed' END,
    {first} + n * CAST(1000000 AS BIGINT),
    CASE WHEN n > {open} THEN NULL ELSE {first} + (n + 3600) * CAST(1000000 AS BIGINT) END, NULL, NULL, NULL"""
_RUNS = {
    "postgresql": f"INSERT INTO runs SELECT {_ROW} FROM generate_series(1, {{count}}) AS n",
    "sqlite": (
        "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {count}) "
        f"INSERT INTO runs SELECT {_ROW} FROM numbers"
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
    with open_database(url).engine(Role.SCHEMA).begin() as connection:
        statement = _RUNS[kind].format(open=count - 3_600, first=now - count * SECOND, count=count)
        connection.execute(sa.text(statement))
    tidy(url)


def measure(url: str, kind: str, times: int, now: int) -> None:
    reader = open_store(url).people_reader()
    for text in FILTERS:
        wanted = parse(text, now=now)
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
        wanted = parse(text, now=now)
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
