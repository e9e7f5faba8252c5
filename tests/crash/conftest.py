"""Stages for kills, and a look at all that they leave when they are over."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.crash.stage import Stage
from tests.servers import fresh_database


@pytest.fixture(scope="module")
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    """Where the module's kills happen: `STAGE` of the module says on which servers."""
    with ExitStack() as ending:
        # A short path: the embedded broker's socket lies beside its file, and its name has a limit.
        folder = Path(ending.enter_context(TemporaryDirectory(prefix="dalsegno-")))
        if request.module.STAGE == "servers":
            broker = ending.enter_context(request.getfixturevalue("rabbitmq_server").virtual_host())
            database = ending.enter_context(fresh_database(request.getfixturevalue("postgres_server").url))
            made = Stage(broker=broker, database=database, folder=folder, hosts=2)
        else:
            broker, database = f"embedded://{folder / 'broker.db'}", f"sqlite:///{folder / 'dalsegno.db'}"
            made = Stage(broker=broker, database=database, folder=folder)
        with made as stage:
            yield stage
            faults = stage.finish()
            assert not faults, f"after {stage.kills} kills:\n" + "\n".join(faults[:20])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Function, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failure shows what the processes of the last kill said."""
    report = yield
    if report.failed:
        for value in item.funcargs.values():
            if isinstance(value, Stage):
                lives = value.nursery.lives[-4:]
                report.sections += [(f"the end of the log of {life.name}", life.log[-4000:]) for life in lives]
    return report
