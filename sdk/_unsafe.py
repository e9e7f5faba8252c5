"""`workflow.unsafe`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from dalsegno._runtime import current_runtime, unrestricted


class unsafe:  # noqa: N801 - a namespace, named as in the Temporal SDK
    """What only special code needs."""

    @staticmethod
    def is_replaying() -> bool:
        """Whether this code runs again to restore what it knew. Deciding by it breaks the workflow; it serves
        logging and metrics."""
        return current_runtime("unsafe.is_replaying").replaying

    @staticmethod
    def imports_passed_through() -> nullcontext[None]:
        """Does nothing: there is no sandbox here. It is what ported code has around its imports."""
        return nullcontext()

    @staticmethod
    @contextmanager
    def sandbox_unrestricted() -> Iterator[None]:
        """Within it nothing is refused that gives something else each time (clock, chance, files). Whatever the
        workflow decides by it breaks the workflow; it serves metrics and debugging."""
        token = unrestricted.set(True)
        try:
            yield
        finally:
            unrestricted.reset(token)
