"""The documents' programs are whole: they can be run as they stand, and do what the page says of them."""

from __future__ import annotations

import base64
import builtins
import re
import subprocess
import sys
from pathlib import Path
from textwrap import indent
from types import ModuleType
from typing import Any

import pytest
from typer.main import get_command

import dalsegno
from dalsegno import DataConverter, DefaultPayloadConverter, EncryptionCodec, Key, PayloadCodecError
from dalsegno.cli.app import app
from tests.cli.shell import ROOT, Shell

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])


def program(page: str) -> str:
    """A page's code, which is one program."""
    text = (ROOT / "docs" / page).read_text()
    return "\n\n".join(re.findall(r"```python\n(.*?)```", text, re.DOTALL))


@pytest.mark.parametrize(
    "page",
    [
        "changing-code.md",
        "client.md",
        "effects-once.md",
        "payloads.md",
        "schedules.md",
        "search-attributes.md",
        "workers.md",
        "writing-workflows.md",
    ],
)
def test_no_name_in_a_pages_code_is_left_to_the_reader(page: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--isolated", "--select", "F821,F704,F706", "-"],
        input=program(page),
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_a_pages_links_lead_to_files(page: Path) -> None:
    prose = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)

    links = re.findall(r"\]\((?!https?://|#)([^)#]+)", prose)

    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_worker_of_the_page_takes_tasks(folder: Path) -> None:
    (folder / "payments.py").write_text(program("workers.md"))
    (folder / "till.py").write_text(TILL)
    shell = Shell(folder, DALSEGNO_TIMEOUT="60", DALSEGNO_BROKER="embedded:broker.db")
    shell.environment["DALSEGNO_DATABASE"] = "sqlite:///dalsegno.db"
    assert shell.run("init").exit_code == 0
    with shell.start("host", "till") as host:
        host.wait_ready("host")
        worker = subprocess.Popen([sys.executable, "payments.py"], cwd=folder, env=shell.environment)
        try:
            paid = shell.run("workflow", "start", "Till", "--id", "t-1", "--task-queue", "payments", "--wait")
        finally:
            worker.terminate()
            worker.wait()
    receipt, number = paid.document
    assert receipt.startswith("receipt ")
    assert number == 4711


def test_the_client_of_the_page_approves_an_order(folder: Path) -> None:
    (folder / "approval.py").write_text(program("client.md"))
    shell = Shell(folder, DALSEGNO_TIMEOUT="60")
    with shell.start("dev", "approval") as dev:
        dev.wait_ready("host")
        client = shell.python("approval.py")

    assert (client.out, client.err) == ("approved: False\norder 7 approved by ann\n", "")


def test_the_schedule_of_the_page_writes_its_reports(folder: Path) -> None:
    (folder / "reports.py").write_text(program("schedules.md"))
    shell = Shell(folder, DALSEGNO_TIMEOUT="60")
    with shell.start("dev", "reports") as dev:
        dev.wait_ready("host")
        client = shell.python("reports.py")

    (first, *written) = client.out.splitlines()
    assert first in ("next: 00:00", "next: 01:00"), "of Berlin's two"
    assert (set(written), client.err) == ({"sales is written"}, "")


def test_the_runs_of_the_page_of_search_attributes_are_found_by_them_and_by_the_filters_of_theirs(
    folder: Path,
) -> None:
    filters = indent(program("filters.md"), " " * 8)
    asked = program("search-attributes.md") + ASKED.format(filters=filters)
    (folder / "orders.py").write_text(asked)
    shell = Shell(folder, DALSEGNO_TIMEOUT="60")
    assert shell.run("init").exit_code == 0
    for name, kind in (("Customer", "keyword"), ("Total", "int")):
        shell.run("namespace", "search-attributes", "add", name, kind)
    with shell.start("dev", "orders") as dev:
        dev.wait_ready("host")
        client = shell.python("orders.py")
        second = ("--id", "order-2", "--input", "5", "--search-attribute", "Customer=c-8", "--wait")
        started = shell.run("workflow", "start", "Order", *second)
        listed = shell.run("workflow", "list", "-q", 'Customer = "c-8"', "--json")

    assert client.err == ""
    found, counted, failed = client.out.splitlines()
    assert found == "order-1 3"
    assert counted.count("c-7") == 1
    assert failed.startswith("order-0 ")
    assert started.document == "c-8"
    assert [run["workflow_id"] for run in listed.documents] == ["order-2"]


ASKED = """

from dalsegno import ApplicationError, WorkflowFailedError


@workflow.defn
class Broken:
    @workflow.run
    async def run(self) -> None:
        raise ApplicationError("on purpose", non_retryable=True)


async def asked() -> None:
    from contextlib import suppress

    async with Client.connect("embedded:.dalsegno/broker.db") as client:
        await main(client)
        with suppress(WorkflowFailedError):
            await (await client.start(Broken.run, id="order-0")).result()
{filters}


if __name__ == "__main__":
    import asyncio

    asyncio.run(asked())
"""


def test_the_converter_of_the_page_seals_what_it_sends(monkeypatch: pytest.MonkeyPatch) -> None:
    sealing = ModuleType("sealing")
    vars(sealing).update(seal=lambda data: data[::-1], unseal=lambda data: data[::-1])
    monkeypatch.setitem(sys.modules, "sealing", sealing)
    monkeypatch.setenv("PAYLOAD_SECRET", base64.b64encode(bytes(range(32))).decode())
    page: dict[str, Any] = {}
    exec(compile(program("payloads.md"), "payloads.md", "exec"), page)

    converter = page["SealedPayloadConverter"]()
    payload = converter.to_payload({"card": "4111"})

    assert (payload.encoding, b"4111" in payload.data) == ("sealed/json/plain", False)
    assert converter.from_payload(payload) == {"card": "4111"}
    plain = DefaultPayloadConverter().to_payload("old")
    assert converter.from_payload(plain) == "old", "what was written before is read"

    for codec in (
        {"payload_codec": page["encrypted"].payload_codec},
        {"payload_codec": page["ReversingCodec"]()},
    ):
        coded = DataConverter(**codec).of_workflow("ada/order-7")
        assert b"4111" not in coded.to_payload({"card": "4111"}).data
        assert coded.from_payload(coded.to_payload({"card": "4111"})) == {"card": "4111"}
    kept = {"ada": Key("ada-1", bytes(range(32)))}
    of_customers = EncryptionCodec(page["KeysOfCustomers"](kept), namespace="shop")
    adas = DataConverter(payload_codec=of_customers).of_workflow("ada/order-7")
    sealed = adas.to_payload("4111")
    assert adas.from_payload(sealed) == "4111"
    kept.clear()
    with pytest.raises(PayloadCodecError, match=r"the key 'ada-1' of .*, which is not here"):
        adas.from_payload(sealed)


def test_every_error_that_the_page_of_the_client_names_is_one_of_ours() -> None:
    named = set(re.findall(r"\b[A-Z]\w+Error\b", (ROOT / "docs" / "client.md").read_text()))

    assert {name for name in named if not hasattr(dalsegno, name) and not hasattr(builtins, name)} == set()


TILL = """
from dalsegno import workflow


@workflow.defn
class Till:
    @workflow.run
    async def run(self) -> list:
        order = {"number": 4711, "cents": 1990}
        receipt = await workflow.execute_activity("charge", order)
        return [receipt, await workflow.execute_activity("reserve", order)]
"""


def commands_in_pages() -> list[tuple[str, str]]:
    """Page and command line of whatever is written as code and begins with the program's name."""
    found = []
    for page in PAGES:
        text = page.read_text()
        blocks = re.findall(r"^    (?:\w+=\S* )?(dalsegno [a-z][^\n#|]*)", text, re.MULTILINE)
        inline = re.findall(r"`(?:\w+=\S* )?(dalsegno [a-z-][^`]*)`", text)
        found += [(page.name, " ".join(line.split())) for line in (*blocks, *inline)]
    return found


def test_every_command_and_flag_that_a_page_names_exists() -> None:
    named = commands_in_pages()
    assert len(named) > 20
    unknown = []
    for page, line in named:
        command: Any = get_command(app)
        for word in line.split()[1:]:
            if word in getattr(command, "commands", {}):
                command = command.commands[word]
            elif word.startswith("--"):
                flags = {
                    name
                    for parameter in command.params
                    for name in (*parameter.opts, *parameter.secondary_opts)
                }
                if word.partition("=")[0] not in flags | {"--help"}:
                    unknown.append((page, line, word))
            elif hasattr(command, "commands") and word.isalpha() and word.islower():
                unknown.append((page, line, word))
    assert unknown == []
