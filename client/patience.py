"""What stood in the way of a request, and what it says when it gives up."""

from __future__ import annotations

from dalsegno.client.errors import NamespaceMissingError, NoAnswerError
from dalsegno.client.timings import ClientTimings
from dalsegno.errors import BrokerUnavailableError, DalsegnoError


class Patience:
    """What has stood in the way of one request so far."""

    def __init__(self, what: str, timings: ClientTimings) -> None:
        self._what = what
        self._grace = timings.namespace_grace
        self._reason = "the broker has not confirmed it"
        self._reached_broker = False
        self._missing: NamespaceMissingError | None = None
        self._missing_since = 0.0

    def confirmed(self) -> None:
        self._reached_broker = True
        self._missing = None

    def hindered(self, reason: str) -> None:
        self._reason = reason.rstrip(".")
        self._missing = None

    def namespace_missing(self, now: float) -> None:
        """Raises NamespaceMissingError when it has been missing for too long."""
        if self._missing is None:
            self._missing, self._missing_since = NamespaceMissingError(), now
        elif now - self._missing_since > self._grace:
            raise self._missing

    def exhausted(self, seconds: float) -> DalsegnoError:
        """The error to raise when `seconds` are over."""
        if self._missing is not None:
            return self._missing
        if self._reached_broker:
            return NoAnswerError(
                f"No host answered {self._what} within {seconds:g} s. It has reached the broker, and a host "
                "takes it up as soon as one runs: is one running (`dalsegno host`, or `dalsegno dev`)?"
            )
        return BrokerUnavailableError(f"{self._what} did not succeed within {seconds:g} s: {self._reason}.")
