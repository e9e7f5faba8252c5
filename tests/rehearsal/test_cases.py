"""What `dalsegno workflow testcase` and `upgrade check --history` do with a workflow that is stuck."""

from __future__ import annotations

import ast
import asyncio
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import typer
from msgspec.structs import replace

from dalsegno.cli.histories import _options_of_test, _test_of
from dalsegno.cli.histories import testcase as write_test_case
from dalsegno.cli.upgrade import rehearse_all
from dalsegno.errors import ConfigurationError, DefinitionError
from dalsegno.persistence import open_store
from dalsegno.rehearsal import WorkflowHistory
from dalsegno.testing import ReplayFailedError
from tests.rehearsal.replayed import Sale
from tests.rehearsal.test_histories import sold

SHOP = "from tests.rehearsal.replayed import Sale, charge, ship\n"


@pytest.fixture
def stuck(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A database with a workflow whose code has a bug; that code is in the module `shop_of_sales`. This process
    is said to have been begun with its hash seed: others take their time."""

    async def left() -> None:
        with closing(sqlite3.connect(tmp_path / "stuck.db")) as file:
            async with sold("break", id_="Stuck 1") as env:
                env._stage._store._kept.backup(file)  # type: ignore[attr-defined]

    asyncio.run(left())
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "shop_of_sales.py").write_text(SHOP)
    url = f"sqlite:///{tmp_path}/stuck.db"
    with closing(open_store(url)) as store:
        monkeypatch.setenv("PYTHONHASHSEED", str(store.namespace().hash_seed))
    return url


def write(database: str, module: str = "shop_of_sales", *redact: str) -> None:
    options: Any = {"database": database, "redact": redact, "data_converter": None, "folder": Path()}
    write_test_case("Stuck 1", [module], None, **options)


def run(code: str, file: Path) -> None:
    program: dict[str, Any] = {"__file__": str(file.absolute())}
    exec(compile(code, str(file), "exec"), program)
    program["test_stuck_1"]()


def test_the_test_fails_as_the_workflow_is_stuck_and_passes_when_its_code_is_mended(
    stuck: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write(stuck)
    said = capsys.readouterr()
    assert said.out.splitlines()[:2] == ["test_stuck_1.py", "stuck_1.history.json"]
    assert said.out.splitlines()[2].startswith("The test fails now: fails: KeyError: 'break'")
    test = Path("test_stuck_1.py")
    text = test.read_text()
    assert "# was suspended, and so does this test until the code is mended:\n#     KeyError: 'break'" in text
    with pytest.raises(ReplayFailedError, match="fails: KeyError: 'break'"):
        run(text, test)
    mended = "from tests.rehearsal.replayed import SaleMended as Sale"
    run(text.replace("from tests.rehearsal.replayed import Sale", mended), test)


def test_names_that_look_like_code_are_no_code_of_the_test() -> None:
    async def left() -> WorkflowHistory:
        async with sold(id_='"""@imports @because') as env:
            return await env.fetch_history('"""@imports @because')

    history = replace(
        asyncio.run(left()), run_id="r\nraise 1", reason="@imports\nraise 2\r\nraise 3\x0craise 4"
    )
    options = _options_of_test("tests.encrypted:encrypted", None)
    text = _test_of(history, "it", Sale, options, "it.history.json", ends_anew=False)
    body = ast.parse(text).body
    assert [type(one) for one in body] == [ast.Import, *[ast.ImportFrom] * 4, ast.FunctionDef]


def test_it_is_told_where_replaced_values_hide_the_fault(
    stuck: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write(stuck, "shop_of_sales", "all")
    assert "the test passes with the code of these modules" in capsys.readouterr().err
    assert WorkflowHistory.from_file("stuck_1.history.json").redacted == ("all",)


@pytest.mark.parametrize(
    ("code", "kind", "why"),
    [
        ("from tests.rehearsal.replayed import Other\n", ConfigurationError, "no workflow 'Sale' in"),
        (
            "from tests.rehearsal.replayed import Sale, SaleMended\n",
            DefinitionError,
            "are both workflow 'Sale'",
        ),
    ],
)
def test_code_without_its_workflow_is_refused(stuck: str, code: str, kind: type[Exception], why: str) -> None:
    Path(f"shop_for_{kind.__name__}.py").write_text(code)
    with pytest.raises(kind, match=why):
        write(stuck, f"shop_for_{kind.__name__}")
    assert not list(Path().glob("*.json"))


def check(*files: Path) -> int:
    """The exit code."""
    options: Any = {"database": "sqlite:///nowhere.db", "data_converter": None, "sample": None}
    options |= {"workflow_types": (), "elsewhere": (), "run_seconds": 10.0, "as_json": True}
    try:
        rehearse_all(["shop_of_sales"], histories=files, **options)
    except typer.Exit as stop:
        return stop.exit_code
    return 0


def test_files_are_rehearsed_without_a_database(stuck: str, capsys: pytest.CaptureFixture[str]) -> None:
    write(stuck)
    file = Path("stuck_1.history.json")
    capsys.readouterr()
    assert check(file) == 1
    told, counted = map(json.loads, capsys.readouterr().out.splitlines())
    assert (told["workflow_id"], told["outlook"], told["is_suspended"]) == ("Stuck 1", "fails", True)
    assert counted == {"open": 1, "fit": 0}

    history = WorkflowHistory.from_file(file)
    other = Path("other.json")
    other.write_text(changed_seed(history).to_json())
    with pytest.raises(ConfigurationError, match="of several namespaces"):
        check(file, other)


def changed_seed(history: WorkflowHistory) -> WorkflowHistory:
    return replace(history, hash_seed=(history.hash_seed or 0) + 1)
