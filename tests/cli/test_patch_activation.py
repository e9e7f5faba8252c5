"""`--patch-activation module:function`, for hosts."""

from __future__ import annotations

import pytest

from dalsegno.cli import code
from dalsegno.errors import ConfigurationError
from tests.system.packing_after import activates


def test_it_is_found_where_it_is_named_and_there_need_be_none() -> None:
    assert code.patch_activation("tests.system.packing_after:activates") is activates
    assert code.patch_activation(None) is None


@pytest.mark.parametrize(
    ("place", "why"),
    [
        ("", r"--patch-activation is '', but names a function as module:function"),
        ("tests.system.packing_after:wants", r"the module 'tests.system.packing_after' has no 'wants'"),
        ("tests.system.packing_after:__name__", r"__name__ \(--patch-activation\) must be a function, not"),
    ],
)
def test_what_is_none_is_refused_in_a_sentence(place: str, why: str) -> None:
    with pytest.raises(ConfigurationError, match=why):
        code.patch_activation(place)
