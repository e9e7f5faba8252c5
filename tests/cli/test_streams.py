"""What becomes of standard output and error does not matter to a process that must outlive them."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

SERVICE = textwrap.dedent(
    """
    import logging, os, sys, warnings
    from dalsegno.cli.descriptors import open_missing
    from dalsegno.cli.logs import configure_service
    from dalsegno._log import get_logger

    open_missing()
    done = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT)
    configure_service("info")
    for number in range(20_000):  # more than a pipe holds
        print("to people", number, "x" * 50)
        print("to others", number, file=sys.stderr)
        get_logger().info("line", number=number)
    logging.warning("a library")
    warnings.warn("a warning")
    os.write(done, b"done")
    """
)


def service(done: str, **streams: object) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", SERVICE, done], **streams)  # type: ignore[call-overload, no-any-return]


def test_a_service_with_both_streams_on_a_full_disk_goes_on_and_ends_well(tmp_path: os.PathLike[str]) -> None:
    done = f"{tmp_path}/done"
    with open("/dev/full", "wb") as full:  # noqa: PTH123 - a device
        assert service(done, stdout=full, stderr=full).wait() == 0
    assert open(done).read() == "done"  # noqa: SIM115, PTH123


def test_a_service_whose_streams_have_no_reader_goes_on_and_ends_well(tmp_path: os.PathLike[str]) -> None:
    done = f"{tmp_path}/done"
    readable, writable = os.pipe()
    os.close(readable)
    assert service(done, stdout=writable, stderr=writable).wait() == 0
    assert open(done).read() == "done"  # noqa: SIM115, PTH123
    os.close(writable)


def test_a_service_whose_streams_nobody_reads_goes_on_and_ends_well(tmp_path: os.PathLike[str]) -> None:
    done = f"{tmp_path}/done"
    readable, writable = os.pipe()
    assert service(done, stdout=writable, stderr=writable).wait() == 0
    assert open(done).read() == "done"  # noqa: SIM115, PTH123
    os.close(readable)
    os.close(writable)


def test_a_service_started_with_closed_streams_writes_its_log_into_no_file_of_its_own(
    tmp_path: os.PathLike[str],
) -> None:
    done = f"{tmp_path}/done"
    command = f'"$0" -c "$1" "{done}" 0<&- 1>&- 2>&-'
    assert subprocess.run(["/bin/sh", "-c", command, sys.executable, SERVICE], check=False).returncode == 0
    assert open(done).read() == "done"  # noqa: SIM115, PTH123


def test_what_a_service_says_is_written_in_order_before_it_ends(tmp_path: os.PathLike[str]) -> None:
    process = service(f"{tmp_path}/done", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    said, logged = process.communicate()
    lines = said.decode().splitlines()
    assert lines[0].startswith("to people 0 ")
    assert len(lines) > 9_000  # what came faster than it could be written may be dropped
    assert [line for line in lines if not line.startswith("to people")] == []
    assert b"a library" in logged or b"log_lines_dropped" in logged
