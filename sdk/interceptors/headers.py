"""Headers: what interceptors say to each other beside the arguments, by name.

They are payloads, and so a codec seals them on their way, bound to the workflow that they are for; interceptors
see what they have written. Whoever has no interceptor neither writes nor reads any.
"""

from __future__ import annotations

from collections.abc import Mapping

from dalsegno import given
from dalsegno.data_converter import DataConverter
from dalsegno.payload import Payload

HEADERS_MAX = 64
"""Of one call."""


def encoded(headers: Mapping[str, Payload], converter: DataConverter) -> dict[str, Payload]:
    """As they travel. Raises TypeError and ValueError for what are no headers, PayloadError where the codec
    does."""
    if not headers:
        return {}
    if len(given.mapping("headers", headers)) > HEADERS_MAX:
        raise ValueError(f"A call has room for {HEADERS_MAX} headers, and is given {len(headers)}.")
    for name, value in headers.items():
        given.name("The name of a header", name)
        if not isinstance(value, Payload):
            raise given.wrong_type(
                f"The header {name!r}", value, "a Payload, as payload_converter.to_payload(value) makes one"
            )
    return {name: converter.to_payload(value) for name, value in headers.items()}


def decoded(headers: Mapping[str, Payload], converter: DataConverter) -> dict[str, Payload]:
    """As they were written. Raises PayloadError where the codec does."""
    return {name: converter.from_payload(value, Payload) for name, value in headers.items()}
