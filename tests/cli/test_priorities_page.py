"""The program on the page about workers that shows priorities prints what the page says."""

from __future__ import annotations

import re
from pathlib import Path

from tests.cli.shell import ROOT, Shell

PAGE = (ROOT / "docs/workers.md").read_text()


def test_its_program_prints_what_it_says(folder: Path) -> None:
    found = re.search(
        r"<!-- tested: priorities -->\n```python\n(.*?)```\n\nWith `dalsegno dev letters` .*?```\n(.*?)```",
        PAGE,
        re.DOTALL,
    )
    assert found is not None
    (folder / "letters.py").write_text(found[1])
    shell = Shell(folder, DALSEGNO_TIMEOUT="60")
    with shell.start("dev", "letters") as dev:
        dev.wait_ready("host", "worker")
        client = shell.python("letters.py")
        assert (client.out, client.err) == (found[2], "")
        told = shell.run("workflow", "describe", "letters-ann", "--json").document
        assert told["priority"] == 1
        shell.run(
            "workflow", "start", "Correspondence", "--id", "letters-bob", "-i", '"bob"', "--priority", "2"
        )
        assert shell.run("workflow", "describe", "letters-bob", "--json").document["priority"] == 2
