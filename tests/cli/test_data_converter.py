"""`--data-converter module:attribute`, for hosts, workers and those who ask."""

from __future__ import annotations

from pathlib import Path

import pytest

from dalsegno.cli import code
from dalsegno.cli.failures import USAGE
from dalsegno.data_converter import DataConverter
from dalsegno.errors import ConfigurationError
from tests.cli.shell import Shell
from tests.sealed import sealed


def test_it_is_found_where_it_is_named_and_is_the_default_where_it_is_not() -> None:
    assert code.data_converter("tests.sealed:sealed") is sealed
    assert code.data_converter("dalsegno:DataConverter.default") is DataConverter.default
    assert code.data_converter(None) is DataConverter.default


@pytest.mark.parametrize(
    ("place", "why"),
    [
        ("", r"--data-converter is '', but names a DataConverter as module:attribute"),
        ("tests.sealed", r"names a DataConverter as module:attribute"),
        (":sealed", r"names a DataConverter as module:attribute"),
        ("tests.sealed:", r"names a DataConverter as module:attribute"),
        ("tests.sealde:sealed", r"There is no module 'tests.sealde'"),
        ("tests/sealed.py:sealed", r"'tests/sealed.py' is a path: name the module"),
        ("tests.sealed:opened", r"the module 'tests.sealed' has no 'opened'"),
        (
            "tests.sealed:SECRET",
            r"SECRET \(--data-converter\) must be a DataConverter, not a value of",
        ),
        ("tests.sealed:SealingPayloadConverter", r"give DataConverter\(payload_converter_class=SealingPayl"),
    ],
)
def test_what_is_none_is_refused_in_a_sentence(place: str, why: str) -> None:
    with pytest.raises(ConfigurationError, match=why):
        code.data_converter(place)


@pytest.mark.parametrize(
    "command",
    [
        ["worker", "tests.sealed"],
        ["dev", "tests.sealed"],
        ["check", "tests.sealed"],
        ["workflow", "start", "Courier", "--id", "a"],
        ["workflow", "result", "a"],
        ["workflow", "query", "a", "ask"],
        ["workflow", "signal", "a", "say"],
    ],
)
def test_every_command_that_has_it_says_what_is_wrong_with_it(folder: Path, command: list[str]) -> None:
    done = Shell(folder, PYTHONPATH=str(Path(__file__).parents[2])).run(
        *command, "--data-converter", "tests.sealed:no"
    )
    assert done.exit_code == USAGE
    assert "the module 'tests.sealed' has no 'no'" in done.sentence
