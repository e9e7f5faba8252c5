"""Checking stored histories: `verify` on an `AuditReader`, in the manner of an auditor. It only reads."""

from dalsegno.verification.finding import Finding, Invariant
from dalsegno.verification.reader import AuditReader
from dalsegno.verification.verify import Progress, Scope, Summary, verify

__all__ = ["AuditReader", "Finding", "Invariant", "Progress", "Scope", "Summary", "verify"]
