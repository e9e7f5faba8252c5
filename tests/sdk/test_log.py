"""Loggers that never raise and never wait, whatever is logged, wherever it goes, whatever is configured."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from dalsegno import activity, workflow
from dalsegno._log import configure_at_first_line, flush, get_logger
from dalsegno._outlet import Outlet


class Unshowable:
    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __repr__(self) -> str:
        raise self.error


@pytest.fixture(autouse=True)
def structlogs_own() -> Iterator[None]:
    """Structlog's own, with nothing left over from a test that lost lines."""
    get_logger().info("another test")
    assert flush() and flush()  # that line, and what it tells about others
    yield
    structlog.reset_defaults()


def written(*, rendering: Any = None) -> list[str]:
    """What structlog writes from now on."""
    lines: list[str] = []

    class Paper:
        def msg(self, line: str) -> None:
            lines.append(line)

        debug = info = warning = error = critical = msg

    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            rendering or structlog.processors.KeyValueRenderer(),
        ],
        logger_factory=lambda *_: Paper(),
    )
    return lines


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(3), RecursionError(), MemoryError()], ids=repr)
def test_a_value_whose_repr_raises_is_logged_as_what_it_is(error: BaseException) -> None:
    lines = written()
    get_logger().info("charged", order=Unshowable(error), amount=3)
    assert flush()
    [line] = lines
    assert "charged" in line and "Unshowable" in line and "amount='3'" in line


@pytest.mark.parametrize("key", ["event", "self", "method_name"])
def test_a_key_that_structlog_uses_itself_is_logged_beside_it(key: str) -> None:
    lines = written()
    get_logger().bind(one=1).info("charged", **{key: "mine"})
    assert flush()
    [line] = lines
    assert "charged" in line and "mine" in line and "one" in line


@pytest.mark.parametrize("event", ["%d of %s", "100%"])
def test_a_text_whose_placeholders_do_not_fit_is_logged_all_the_same(event: str) -> None:
    lines = written()
    get_logger().warning(event, "a")
    assert flush()
    assert event in lines[0]


def test_an_exception_is_logged_with_the_traceback_it_had_at_the_call() -> None:
    lines = written()
    try:
        raise ValueError("who")
    except ValueError:
        get_logger().exception("met", order=Unshowable(OSError()))
        get_logger().exception("met")
    assert flush()
    assert len(lines) == 2
    for line in lines:
        assert "ValueError: who" in line and "Traceback" in line


def a_processor_that_raises() -> dict[str, Any]:
    def render(*_: Any) -> str:
        raise RuntimeError("no rendering")

    return {"processors": [render]}


def a_factory_that_raises() -> dict[str, Any]:
    def factory(*_: Any) -> Any:
        raise OSError("no log")

    return {"logger_factory": factory}


def a_processor_that_returns_nonsense() -> dict[str, Any]:
    return {"processors": [lambda *_: 7]}


def a_wrapper_without_levels() -> dict[str, Any]:
    return {"wrapper_class": structlog.BoundLogger, "logger_factory": structlog.ReturnLoggerFactory()}


def a_stream_that_is_closed() -> dict[str, Any]:
    closed = open(os.devnull, "w")  # noqa: SIM115, PTH123 - it is closed at once
    closed.close()
    return {"logger_factory": structlog.PrintLoggerFactory(closed)}


@pytest.mark.parametrize(
    "configuration",
    [
        a_processor_that_raises,
        a_factory_that_raises,
        a_processor_that_returns_nonsense,
        a_wrapper_without_levels,
        a_stream_that_is_closed,
    ],
)
@pytest.mark.parametrize("logger", [get_logger(), activity.logger, workflow.logger], ids=["ours", "a", "w"])
def test_whatever_the_configuration_does_no_call_raises(
    configuration: Callable[[], dict[str, Any]], logger: Any
) -> None:
    structlog.configure(**configuration())
    for method in ("debug", "info", "warning", "error", "critical", "exception"):
        getattr(logger.bind(a=1), method)("said", b=Unshowable(ValueError()))
    assert flush()


def test_the_standard_librarys_logging_is_written_to_with_the_callers_context(
    caplog: pytest.LogCaptureFixture,
) -> None:
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, structlog.stdlib.render_to_log_kwargs],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
    with caplog.at_level(logging.INFO):
        get_logger("shop").info("sold", order=7)
        try:
            raise ValueError("who")
        except ValueError:
            get_logger("shop").exception("not sold")
        get_logger("shop").debug("not heard")
        assert flush()
    sold, failed = caplog.records
    assert (sold.name, sold.message, sold.order) == ("shop", "sold", 7)  # type: ignore[attr-defined]
    assert failed.exc_info is not None and failed.exc_info[0] is ValueError


def test_lines_are_seen_at_once_where_a_test_captures_them() -> None:
    with capture_logs() as logs:
        get_logger().bind(a=1).warning("heard", b=2)
    assert logs == [{"event": "heard", "log_level": "warning", "a": 1, "b": 2}]


async def test_the_waiting_forms_and_numbered_levels_of_structlog_work() -> None:
    with capture_logs() as logs:
        await activity.logger.ainfo("a")
        activity.logger.log(logging.WARNING, "b")
        activity.logger.log(35, "c")
        activity.logger.fatal("d")
    assert [(line["event"], line["log_level"]) for line in logs] == [
        ("a", "info"),
        ("b", "warning"),
        ("c", "warning"),
        ("d", "critical"),
    ]


# --- the outlet ---------------------------------------------------------------------------------------------


class Valve:
    """A stream that takes nothing until it is opened."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.opened = threading.Event()
        self.written: list[int] = []

    def write(self, number: int) -> None:
        self.entered.set()
        self.opened.wait()
        self.written.append(number)


def test_a_stream_that_takes_nothing_holds_up_nobody_and_what_is_too_much_is_dropped_and_counted() -> None:
    valve, told, heard = Valve(), [], threading.Event()

    def recovered(count: int) -> None:
        told.append(count)
        heard.set()

    outlet = Outlet(recovered, capacity=3)
    outlet.offer(lambda: valve.write(0))
    valve.entered.wait()  # it is being written, and the queue is empty
    for number in range(1, 10):
        outlet.offer(lambda number=number: valve.write(number))  # type: ignore[misc]
    assert outlet.dropped == 6
    assert not outlet.flush(0)
    valve.opened.set()
    heard.wait()
    assert outlet.flush()
    assert valve.written == [0, 1, 2, 3]
    assert told == [6]


def test_what_cannot_be_written_is_counted_and_told_when_something_can() -> None:
    told: list[int] = []
    outlet = Outlet(told.append)

    def full() -> None:
        raise OSError(28, "No space left on device")

    for _ in range(4):
        outlet.offer(full)
    assert outlet.flush()
    assert (outlet.dropped, told) == (4, [])
    outlet.offer(lambda: None)
    assert outlet.flush()
    assert (outlet.dropped, told) == (0, [4])


# --- a program of its own, on streams of all kinds ----------------------------------------------------------

PROGRAM = textwrap.dedent(
    """
    import os, sys
    from dalsegno import activity
    from dalsegno._log import get_logger

    for number in range(20_000):  # more than a pipe holds
        get_logger().info("line", number=number, text="x" * 50)
        activity.logger.info("line", number=number)
    os.write(int(sys.argv[1]), b"done")
    """
)


def run_program(stdout: int, *, wait_for_end: bool = True) -> bytes:
    readable, writable = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(writable)],
        stdout=stdout,
        stderr=subprocess.DEVNULL,
        pass_fds=[writable],
    )
    os.close(writable)
    try:
        with open(readable, "rb") as said:  # noqa: PTH123 - it is a descriptor
            return said.read(4)
    finally:
        if wait_for_end:
            process.wait()
        process.kill()
        process.wait()


def test_a_program_that_logs_to_a_full_disk_does_its_work() -> None:
    with open("/dev/full", "wb") as full:  # noqa: PTH123 - a device
        assert run_program(full.fileno()) == b"done"


def test_a_program_that_logs_to_a_pipe_without_reader_does_its_work() -> None:
    readable, writable = os.pipe()
    os.close(readable)
    try:
        assert run_program(writable) == b"done"
    finally:
        os.close(writable)


def test_a_program_that_logs_to_a_pipe_that_nobody_reads_does_its_work() -> None:
    readable, writable = os.pipe()
    try:
        assert run_program(writable, wait_for_end=False) == b"done"
    finally:
        os.close(readable)
        os.close(writable)


def test_what_was_logged_last_is_written_before_a_program_ends() -> None:
    program = "from dalsegno._log import get_logger\nfor n in range(500): get_logger().info('line', number=n)"
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert told.count("line") == 500


def test_a_forked_child_logs_and_repeats_nothing_of_its_parent() -> None:
    program = textwrap.dedent(
        """
        import os
        from dalsegno._log import configure_at_first_line, flush, get_logger
        get_logger().info("before")
        if os.fork() == 0:
            get_logger().info("child")
            flush()
            os._exit(0)
        os.wait()
        get_logger().info("parent")
        """
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert [told.count(word) for word in ("before", "child", "parent")] == [1, 1, 1]


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_what_a_process_of_multiprocessing_logs_last_is_written_however_it_ends(
    method: str, tmp_path: Path
) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        textwrap.dedent(
            f"""
            import multiprocessing
            from dalsegno._log import get_logger

            def work(error):
                for number in range(500):
                    get_logger().info("line", number=number)
                if error is not None:
                    raise error

            if __name__ == "__main__":
                for error in (None, SystemExit(0), ValueError()):
                    get_logger().info("parent")
                    process = multiprocessing.get_context("{method}").Process(target=work, args=(error,))
                    process.start()
                    process.join()
            """
        )
    )
    told = subprocess.run([sys.executable, program], capture_output=True, text=True, check=True).stdout
    assert (told.count("line"), told.count("parent")) == (1500, 3)


def test_a_fork_in_the_middle_of_a_line_leaves_no_lock_held_in_the_child() -> None:
    lock = threading.Lock()
    begun, go_on = threading.Event(), threading.Event()
    outlet = Outlet(lambda dropped: None)

    def write() -> None:
        with lock:
            begun.set()
            assert go_on.wait(10)

    outlet.offer(write)
    assert begun.wait(10)
    threading.Timer(0.05, go_on.set).start()
    child = os.fork()
    if child == 0:
        os._exit(lock.locked())
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert outlet.flush()


def test_a_fork_goes_on_when_a_stream_takes_nothing() -> None:
    go_on = threading.Event()
    outlet = Outlet(lambda dropped: None)
    outlet.offer(lambda: go_on.wait(10))
    child = os.fork()
    if child == 0:
        os._exit(0 if outlet.flush() else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    go_on.set()
    assert outlet.flush()


def test_a_configuration_for_the_first_line_is_made_with_it_and_what_is_less_loud_is_not_said() -> None:
    lines = written()
    made: list[None] = []
    configure_at_first_line(logging.ERROR, lambda: made.append(None))
    log = get_logger()

    log.warning("nobody hears it")
    assert (log.get_effective_level(), log.is_enabled_for(logging.WARNING)) == (logging.ERROR, False)
    assert made == []
    log.error("first")
    log.warning("heard from now on, as the configuration has it")
    assert flush()

    assert made == [None]
    assert [line.split("'")[1] for line in lines] == ["first", "heard from now on, as the configuration has it"]
