"""Trouble that lasts is said when it begins, when it changes, once a minute meanwhile, and when it is over."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from dalsegno._log import get_logger

log = get_logger()

AGAIN_SECONDS = 60.0
"""Whoever looks at a log only now is to see trouble that began long ago."""


class StateLog:
    """What was last said of each subject: of a queue, of the connection."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._said: dict[str, tuple[str, float]] = {}

    def trouble(self, event: str, subject: str, reason: str, **details: Any) -> None:
        now = self._clock()
        said = self._said.get(subject)
        if said is None or said[0] != reason or now - said[1] >= AGAIN_SECONDS:
            self._said[subject] = reason, now
            log.warning(event, subject=subject, reason=reason, **details)

    def well(self, event: str, subject: str) -> None:
        if self._said.pop(subject, None) is not None:
            log.info(event, subject=subject)
