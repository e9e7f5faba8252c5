"""The loggers of workflow and activity code take what is written for structlog and for the standard library."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, NoReturn

import pytest
from structlog.testing import capture_logs

from dalsegno import activity, workflow
from dalsegno.user_logger import UserLogger
from tests.sdk.odd_values import ODD
from tests.workflow_actor.program.play import Play

LOGGERS = [workflow.logger, activity.logger]


class Unspeakable:
    def __repr__(self) -> NoReturn:
        raise SystemExit(3)

    __str__ = __format__ = __repr__  # type: ignore[assignment]


def said(call: Callable[[UserLogger], object], logger: UserLogger = workflow.logger) -> list[Any]:
    with capture_logs() as lines:
        call(logger)
    return lines


@pytest.mark.parametrize("logger", LOGGERS, ids=["workflow", "activity"])
@pytest.mark.parametrize(
    ("call", "line"),
    [
        (lambda log: log.info("charged", order=5), {"event": "charged", "order": 5, "log_level": "info"}),
        (lambda log: log.info("charged %s for %d", "ann", 5), {"event": "charged ann for 5"}),
        (lambda log: log.info("charged %(who)s", {"who": "ann"}), {"event": "charged ann"}),
        (lambda log: log.info("100% sure"), {"event": "100% sure"}),
        (lambda log: log.info("100%", 5), {"event": "'100%' 5"}),
        (lambda log: log.info("no place", 5), {"event": "'no place' 5"}),
        (lambda log: log.info("charged", extra={"order": 5}), {"event": "charged", "order": 5}),
        (lambda log: log.info("charged", extra=None, stacklevel=2), {"event": "charged"}),
        (lambda log: log.info("charged", event="paid"), {"event": "charged", "event_": "paid"}),
        (lambda log: log.info(event="charged"), {"event": "charged"}),
        (lambda log: log.info("charged", level=7, self=8), {"event": "charged", "level_": 7, "self_": 8}),
        (lambda log: log.log(logging.WARNING, "charged"), {"event": "charged", "log_level": "warning"}),
        (lambda log: log.log("ERROR", "charged"), {"event": "charged", "log_level": "error"}),
        (lambda log: log.log(35, "charged"), {"event": "charged", "log_level": "warning"}),
        (lambda log: log.log("loud", "charged"), {"event": "charged", "log_level": "info"}),
        (lambda log: log.warn("old name"), {"event": "old name", "log_level": "warning"}),
        (lambda log: log.fatal("old name"), {"event": "old name", "log_level": "critical"}),
        (lambda log: log.bind(a=1).getChild("part").info("x"), {"event": "x", "a": 1, "logger": "part"}),
        (lambda log: log.bind(a=1, b=2).unbind("a").new(c=3).info("x"), {"event": "x", "c": 3}),
        (lambda log: logging.LoggerAdapter(log, {"a": 1}).info("x %d", 3), {"event": "x 3", "a": 1}),
        (lambda log: log.info(), {"event": ""}),
        (lambda log: log.info(5), {"event": 5}),
    ],
)
def test_a_line_is_said_however_it_is_written(
    logger: UserLogger, call: Callable[[UserLogger], object], line: dict[str, Any]
) -> None:
    (got,) = said(call, logger)
    assert {key: got[key] for key in line} == line


@pytest.mark.parametrize("logger", LOGGERS, ids=["workflow", "activity"])
def test_no_call_raises_whatever_it_is_given(logger: UserLogger) -> None:
    odd = [*ODD, Unspeakable()]
    for value in odd:
        for method in (
            logger.debug,
            logger.info,
            logger.warning,
            logger.error,
            logger.critical,
            logger.exception,
        ):
            method(value, value, key=value)
            method("%s", value, exc_info=value, stack_info=value, extra=value, stacklevel=value)
        logger.log(value, "x")
        logger.isEnabledFor(value)
        logger.setLevel(value)
        logger.bind(key=value).info("x")
        logger.getChild(str(len(odd))).info(value)


@pytest.mark.parametrize("logger", LOGGERS, ids=["workflow", "activity"])
def test_what_else_people_ask_of_a_logger_is_there(logger: UserLogger) -> None:
    assert logger.name.startswith("dalsegno.")
    assert logger.isEnabledFor(logging.CRITICAL)
    assert logger.handlers == logger.filters == []
    assert isinstance(logger.getEffectiveLevel(), int)
    assert (logger.level, logger.propagate, logger.disabled, logger.parent) == (
        logging.NOTSET,
        True,
        False,
        None,
    )
    logger.addHandler(logging.NullHandler())
    assert logger.handlers == []


def test_an_exception_is_told_with_its_traceback_and_none_is_none() -> None:
    def fail(log: UserLogger) -> None:
        try:
            int("x")
        except ValueError:
            log.exception("failed")
            log.error("failed", exc_info=True)
        log.exception("nothing")

    first, second, third = said(fail)
    assert isinstance(first["exc_info"][1], ValueError)
    assert isinstance(second["exc_info"][1], ValueError)
    assert third.get("exc_info") is None


@workflow.defn
class Logs:
    @workflow.run
    async def run(self) -> list[bool]:
        workflow.logger.info("begun %d", 1, event="odd")
        workflow.logger.setLevel(logging.DEBUG)
        heard = workflow.logger.isEnabledFor(logging.CRITICAL)
        await workflow.sleep(1)
        workflow.logger.warn("done")
        return [heard]


def test_a_workflow_logs_with_its_id_and_once() -> None:
    with capture_logs() as lines:
        play = Play(Logs)
        play.begin()
        play.run()
        play.replayed()
    assert [(line["event"], line["workflow_id"]) for line in lines] == [
        ("begun 1", "order-7"),
        ("done", "order-7"),
    ]
