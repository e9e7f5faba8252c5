"""`--interceptor module:attribute`, for hosts and workers."""

from __future__ import annotations

import pytest

from dalsegno.cli import code
from dalsegno.cli.serving import converter_flags
from dalsegno.errors import ConfigurationError
from tests.propagated import propagated


def test_they_are_found_where_they_are_named_and_handed_on_to_children() -> None:
    places = ["tests.propagated:propagated"] * 2
    assert code.interceptors(places) == (propagated, propagated)
    assert code.interceptors(None) == ()
    assert converter_flags(None, places) == ["--interceptor", places[0]] * 2


@pytest.mark.parametrize(
    ("place", "why"),
    [
        (
            "tests.propagated",
            r"--interceptor is .*, but names an interceptor as module:attribute",
        ),
        ("tests.propagated:no", r"the module 'tests.propagated' has no 'no'"),
        (
            "tests.propagated:customer",
            r"\(--interceptor\): interceptors must hold objects of subclasses",
        ),
    ],
)
def test_what_is_none_is_refused_in_a_sentence(place: str, why: str) -> None:
    with pytest.raises(ConfigurationError, match=why):
        code.interceptors([place])
