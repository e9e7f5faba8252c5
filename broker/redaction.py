"""URLs that may be shown: without their passwords."""

from __future__ import annotations

import re

_PASSWORD = re.compile(r"(://[^:/?#@]*):.*@", re.DOTALL)
"""Up to the last "@": a password may hold anything when its owner forgot to quote it."""
_PARAMETER = re.compile(r"([?&](?:password|sslpassword)=)[^&]*", re.IGNORECASE)


def redact(url: str) -> str:
    """The URL with *** for its password, fit to be shown; also of one that is not well formed."""
    return _PARAMETER.sub(r"\1***", _PASSWORD.sub(r"\1:***@", url))
