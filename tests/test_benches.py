"""Benchmarks are code that no other test runs: each measures something small, and its figures are JSON."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.test_arrows import ROOT

SMALL = {
    "children": "--broker embedded --database sqlite --children 20 --runs 1 --singles 2",
    "codecs": "--broker embedded --database sqlite --count 20 --runs 1 --singles 2",
    "cold_load": "--kind embedded --before 10 --since 10 --loads 2 --wakes 2",
    "lists": "--database sqlite --runs 5000 --times 2",
    "people": "--database sqlite --runs 200 --turns 1 --loads 5",
    "signals": "--kind embedded --signals 100 --pace 100",
    "size": "--pending 100 --signals 100",
    "w3": "--broker embedded --database sqlite --count 20 --runs 1 --singles 2",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
def test_a_benchmark_runs_and_prints_its_figures(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", f"bench.{name}", *SMALL[name].split()],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )

    assert done.returncode == 0, done.stderr
    figures = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"subject"')]
    assert figures
    assert all(figure["figure"] for figure in figures)
