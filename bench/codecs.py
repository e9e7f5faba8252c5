"""What a payload codec costs W3 beside none, by turns: the ratio of throughputs, and of latencies.

    script/bench codecs                                        RabbitMQ, PostgreSQL
    script/bench codecs --broker embedded --database sqlite    the embedded default

Each has servers of its own; the bare client seals, too, what it starts with. The payloads of W3 are 100 bytes,
which the codec that compresses leaves as they are.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import uvloop

from bench import codecs_app
from bench.meter import emit
from bench.w3 import Opens, engine_on, ratio, run_all
from tests.servers import PostgresServer, RabbitMQServer

CODECS = ("plain", "compressed", "encrypted")


def main() -> None:
    parser = argparse.ArgumentParser(prog="script/bench codecs", description=__doc__.splitlines()[0])
    parser.add_argument("--broker", choices=["rabbitmq", "embedded"], default="rabbitmq")
    parser.add_argument("--database", choices=["postgres", "sqlite"], default="postgres")
    parser.add_argument("--count", type=int, default=1500, help="workflows per throughput run")
    parser.add_argument("--in-flight", type=int, default=200)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--singles", type=int, default=100, help="workflows one at a time")
    options = parser.parse_args()
    sizes = {
        "count": options.count,
        "in_flight": options.in_flight,
        "runs": options.runs,
        "singles": options.singles,
    }
    with ExitStack() as stack:
        opens = [stack.enter_context(engine_with(codec, options.broker, options.database)) for codec in CODECS]
        subjects = uvloop.run(run_all(opens, **sizes))
    plain = subjects[0]
    for subject in subjects[1:]:
        emit(
            "ratio",
            f"{options.broker}+{options.database} {subject.name}",
            throughput_ratio=ratio(plain.rates, subject.rates),
            latency_ratio=ratio(plain.latencies, subject.latencies),
        )


@contextmanager
def engine_with(codec: str, broker: str, database: str) -> Iterator[Opens]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dalsegno-bench-")))
        servers: dict[str, int] = {}
        broker_url, database_url = f"embedded://{folder / 'broker.db'}", f"sqlite:///{folder / 'engine.db'}"
        if broker == "rabbitmq":
            rabbitmq = stack.enter_context(RabbitMQServer())
            broker_url, servers["rabbitmq"] = rabbitmq.url, rabbitmq.pid
        if database == "postgres":
            postgres = stack.enter_context(PostgresServer())
            database_url, servers["postgres"] = postgres.url, postgres.pid
        env = {"DALSEGNO_DATA_CONVERTER": f"bench.codecs_app:{codec}"}
        converter = getattr(codecs_app, codec)
        yield stack.enter_context(
            engine_on(broker_url, database_url, servers, "W3", name=codec, env=env, converter=converter)
        )


if __name__ == "__main__":
    main()
