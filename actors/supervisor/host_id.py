"""Host IDs: one for each life of a host. An ID that has lost its leases is never used again."""

from __future__ import annotations

import re
import socket
from uuid import uuid4


def new_host_id() -> str:
    """A new ID that tells people the machine; it is part of a queue's name, hence the plain characters."""
    machine = re.sub(r"[^A-Za-z0-9.-]", "-", socket.gethostname())[:63]
    return f"{machine}-{uuid4().hex[:12]}"
