"""Times and durations are whole microseconds, those of points in time since 1970."""

from __future__ import annotations

FAR_FUTURE = 2**53
"""The largest time or duration that the wire can carry (the year 2255). Longer ones are cut."""
