"""Trouble that lasts is said once when it begins, again when it changes, and once when it is over."""

from __future__ import annotations

from typing import Any

from dalsegno._log import get_logger

log = get_logger()


class StateLog:
    """What was last said of each subject: of a queue, of the connection."""

    def __init__(self) -> None:
        self._said: dict[str, str] = {}

    def trouble(self, event: str, subject: str, reason: str, **details: Any) -> None:
        if self._said.get(subject) != reason:
            self._said[subject] = reason
            log.warning(event, subject=subject, reason=reason, **details)

    def well(self, event: str, subject: str) -> None:
        if self._said.pop(subject, None) is not None:
            log.info(event, subject=subject)
