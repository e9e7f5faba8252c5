"""Two versions of the code are compared where they lie, and what is gone with what open workflows use."""

from __future__ import annotations

from pathlib import Path

from dalsegno.cli.failures import DONE, FAILED, USAGE
from tests.cli.shell import Shell

OLD = """
from dalsegno import activity, workflow


@activity.defn
async def charge(cents: int) -> str:
    return ""


@activity.defn
async def ship() -> None: ...


@workflow.defn
class Order:
    @workflow.run
    async def run(self, cents: int) -> str:
        return await workflow.execute_activity(charge, cents)
"""
PRINTING = """
import sys

sys.stdout.buffer.write(b"imported: \\xff")
"""
NEW = OLD.replace("async def ship", "async def send").replace(
    "cents: int) -> str:\n        ", "cents: int) -> str | None:\n        "
)


def test_two_checkouts_are_compared(tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    for name, code in (("old", OLD), ("new", f"{PRINTING}\n{NEW}")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "shop.py").write_text(f"print('imported')\n{code}")
    changed = shell.run("upgrade", "diff", "./old", "new:shop")
    assert (changed.exit_code, changed.err) == (FAILED, "")
    assert changed.out.splitlines() == [
        "Breaks:",
        "  activity ship: is gone",
        "Also changed:",
        "  activity send: is new",
        "  workflow Order: run: it returns None | str, and returned str",
    ]

    written = Shell(tmp_path / "old").run("upgrade", "inventory", "shop", "-o", "../deployed.json")
    assert written.exit_code == DONE
    same = shell.run("upgrade", "diff", "deployed.json", "deployed.json")
    assert (same.exit_code, same.out) == (DONE, "Nothing that is defined has changed.\n")


def test_what_cannot_be_compared_is_told(tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    (tmp_path / "some.json").write_text("{}")
    (tmp_path / "spoiled.json").write_bytes(b'{"dalsegno_inventory": "\xff"}')
    (tmp_path / "shop.py").write_text(OLD)
    for old, new, why in (
        ("elsewhere:shop", "shop", "There is no folder"),
        ("some.json", "shop", "is not what `dalsegno upgrade inventory` writes"),
        ("spoiled.json", "shop", "is not what `dalsegno upgrade inventory` writes"),
        ("nothing", "shop", "There is no module 'nothing'"),
        ("./", ".", "Name modules on one side at least"),
    ):
        done = shell.run("upgrade", "diff", old, new)
        assert (done.exit_code, why in done.sentence) == (USAGE, True), done.err
