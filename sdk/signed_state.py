"""The state that a sign keeps: its version, and the way from older versions to the class of today.

    @dataclass
    class Counter:
        state_version: ClassVar[int] = 2        # 1 where it is not given
        total: int
        step: int

        @classmethod
        def migrate_state(cls, version: int, data: dict[str, Any]) -> dict[str, Any]:
            if version == 1:
                data["step"] = 1
            return data

`migrate_state` is given what was stored, as plain JSON values, and its version; it returns what the class of
today is built from. It is called only for older versions.
"""

from __future__ import annotations

from typing import Any, get_args

from dalsegno.data_converter import DataConverter
from dalsegno.errors import PayloadError
from dalsegno.payload import Payload

VERSION_MAX = 2**53
"""What is stored has room for more, but not for any number."""


def version_of(hint: Any) -> int:
    """The version of the state that `hint` annotates. Raises PayloadError where that is not a whole number."""
    cls = versioned_class(hint)
    version = 1 if cls is None else cls.state_version
    if not isinstance(version, int) or not 1 <= version <= VERSION_MAX:
        raise PayloadError(
            f"{cls}.state_version must be a whole number from 1 to {VERSION_MAX:,}, declared as a "
            "ClassVar[int]."
        )
    return version


def restore(payload: Payload, version: int, hint: Any, converter: DataConverter) -> Any:
    """The state of a sign as the code of today wants it.

    Raises PayloadError where it does not fit, is newer than the code, or has no migration. What the user's
    `migrate_state` raises goes through.
    """
    current = version_of(hint)
    if version == current:
        return converter.from_payload(payload, hint)
    cls = versioned_class(hint)
    if version > current:
        raise PayloadError(
            f"The stored state is of version {version}, but this code knows {hint!r} up to version {current}: "
            "deploy the newer code here too."
        )
    migrate = getattr(cls, "migrate_state", None)
    if migrate is None:
        raise PayloadError(
            f"The stored state is of version {version} and {cls} of version {current}: give it a classmethod "
            "migrate_state(cls, version, data) that returns the data of today."
        )
    data = migrate(version, converter.from_payload(payload))
    return converter.from_payload(converter.to_whole_payload(data), hint)


def versioned_class(hint: Any) -> Any:
    """The class with a `state_version` in an annotation; None where there is none. Raises PayloadError for
    several."""
    if hasattr(hint, "state_version"):
        return hint
    versioned = [part for part in get_args(hint) if hasattr(part, "state_version")]
    if len(versioned) > 1:
        raise PayloadError(
            f"{hint!r} has several classes with a state_version: the state of a sign can have one."
        )
    return versioned[0] if versioned else None
