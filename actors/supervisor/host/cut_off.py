"""When a host from which the broker takes nothing gives its partitions up, and when it may have some again."""

from __future__ import annotations

from collections.abc import Callable

from dalsegno.actors.supervisor.connection.hearing import CUT_OFF_SECONDS
from dalsegno.actors.supervisor.membership.host_supervisor import CutOff


class CutOffWatch:
    """A host without others keeps what it has: nobody would take it."""

    def __init__(self, silent_seconds: Callable[[], float], tell: Callable[[CutOff], None]) -> None:
        self._silent_seconds = silent_seconds
        self._tell = tell
        self._is_cut_off = False

    def look(self, *, has_others: bool) -> None:
        silent = self._silent_seconds()
        if not self._is_cut_off and silent >= CUT_OFF_SECONDS and has_others:
            self._is_cut_off = True
            self._tell(CutOff(f"The broker has taken nothing from this host for {silent:.0f} s."))
        elif self._is_cut_off and silent < CUT_OFF_SECONDS:
            self._is_cut_off = False
            self._tell(CutOff(None))
