"""`dalsegno namespace search-attributes`: declaring what runs are found by."""

from __future__ import annotations

from pathlib import Path

from dalsegno.cli.failures import DONE, FAILED, USAGE
from tests.cli.shell import ANSWER_SECONDS, Shell


def test_attributes_are_declared_listed_and_removed_without_a_host(folder: Path) -> None:
    shell = Shell(folder, DALSEGNO_TIMEOUT=ANSWER_SECONDS)
    assert shell.run("init").exit_code == DONE

    done = shell.run("namespace", "search-attributes", "add", "Customer", "Keyword")
    assert (done.exit_code, done.out) == (DONE, "Customer is now a search attribute of the type keyword.\n")
    again = shell.run("namespace", "search-attributes", "add", "Customer", "keyword")
    assert again.out == "Customer is already a search attribute of the type keyword.\n"
    assert shell.run("namespace", "search-attributes", "add", "Total", "float").exit_code == DONE

    other = shell.run("namespace", "search-attributes", "add", "Customer", "int")
    assert other.exit_code == FAILED
    assert "There is a search attribute 'Customer' of the type keyword" in other.sentence
    no_type = shell.run("namespace", "search-attributes", "add", "X", "money")
    assert no_type.exit_code == USAGE
    assert "'money' is no type of a search attribute; there are text, keyword" in no_type.sentence

    listed = shell.run("namespace", "search-attributes", "list", "--json")
    assert listed.documents == [{"name": "Customer", "type": "keyword"}, {"name": "Total", "type": "double"}]

    wrong = shell.run(
        "workflow", "list", "-q", "Custommer = 'c'", "--database", "sqlite:///.dalsegno/dalsegno.db"
    )
    assert wrong.exit_code == FAILED
    assert "character 1: there is no field 'Custommer'" in wrong.sentence
    assert "Customer, Total" in wrong.sentence

    assert shell.run("namespace", "search-attributes", "remove", "Total").exit_code == DONE
    gone = shell.run("namespace", "search-attributes", "remove", "Total")
    assert gone.exit_code == FAILED
    assert "There is no search attribute 'Total'; there are Customer" in gone.sentence
