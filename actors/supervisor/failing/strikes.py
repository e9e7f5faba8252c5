"""Strikes: how often a run's code did not yield, or killed its host, at one cause. The parent process writes
them; the next host reads them before it runs the code.

A strike is against the run's definition as it is: other code has its own. A run that is struck is suspended for
the code that did it, and a host with other code tries it anew, until that has struck as often. The rows stay
when it goes well, so hosts of two versions that hand a run to each other do not die of the bad one for ever.
Strikes of a query keep only that query from being run. So it is with a signal, which goes into the quarantine,
and with an update, which is refused.
"""

from __future__ import annotations

from collections.abc import Sequence

from dalsegno.actors.workflow_actor.blame import Struck
from dalsegno.actors.workflow_actor.queries.strikes import is_query_mark
from dalsegno.actors.workflow_actor.struck_requests import REQUESTS_MAX, is_spared

STRIKES_LIMIT = 2

Strikes = Sequence[tuple[str, int]]
"""Those of one run: (point, count)."""

_OF_CODE = " @"


def struck_point(cause: str, fingerprint: str) -> str:
    """What strikes of one run are counted by. Without a `fingerprint` they count against all code."""
    return f"{cause}{_OF_CODE}{fingerprint}" if fingerprint else cause


def struck(strikes: Strikes, fingerprint: str, *, sets_aside: bool = False) -> Struck:
    """What must not run any more. `fingerprint`: of the run's definition, as this host has it. `sets_aside`:
    signals may go into the quarantine."""
    causes: dict[str, str] = {}
    queries: dict[str, str] = {}
    requests: dict[str, str] = {}
    for point, count in strikes:
        cause, _, code = point.rpartition(_OF_CODE)
        if not cause:
            cause, code = point, fingerprint
        if count < STRIKES_LIMIT or code != fingerprint:
            continue
        if is_query_mark(cause):
            queries[cause] = f"its handler did not yield, or killed its host, {count} times"
        elif is_spared(cause, sets_aside=sets_aside):
            requests[cause] = f"that did not yield, or killed its host, {count} times"
        else:
            causes[cause] = _of_run(cause, count)
    if len(requests) > REQUESTS_MAX:
        causes |= {cause: _of_run(cause, STRIKES_LIMIT) for cause in requests}
        requests = {}
    return Struck(causes=causes, queries=queries, requests=requests)


def _of_run(cause: str, count: int) -> str:
    return f"its code did not yield, or killed its host, {count} times at: {cause}"
