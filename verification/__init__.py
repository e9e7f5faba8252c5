"""Checking stored histories: `verify` on a `Reader`, in the manner of an auditor. It only reads."""

from dalsegno.verification.finding import Finding, Invariant
from dalsegno.verification.reader import Reader
from dalsegno.verification.verify import Progress, Scope, Summary, verify

__all__ = ["Finding", "Invariant", "Progress", "Reader", "Scope", "Summary", "verify"]
