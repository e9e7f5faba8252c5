"""The limits of wire protocol v1. They hold for every message, and are checked before it is understood."""

MAX_BODY_BYTES = 1024 * 1024
MAX_DEPTH = 64
"""Maps and arrays within each other."""
MAX_ITEMS = 100_000
"""Values in a body, keys included."""
MAX_HEADERS = 64
MAX_HEADER_BYTES = 16 * 1024
"""Names, texts and bytes of all headers together. AMQP has room for them in one frame only."""
MAX_NAME_BYTES = 255
"""IDs, names and types, in UTF-8. As AMQP's short strings."""
MAX_CAUSES = 20
"""Failures within each other."""
MAX_FAILURES = 200
"""Failures in one, causes and parts of groups together."""
MAX_JSON_INTEGER = 2**53
"""Above this, many JSON readers round silently."""
