"""What somebody must mend, or what is not there: a sentence that a stranger understands, and the exit code."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from dalsegno.actors.supervisor.settings import HostSettings
from dalsegno.broker.port import OnClosed, Session
from dalsegno.broker.redaction import redact
from dalsegno.broker.url import open_broker
from dalsegno.cli import namespace as namespaces
from dalsegno.cli.failures import DONE, UNAVAILABLE, USAGE
from dalsegno.errors import BrokerUnavailableError, ConfigurationError, StoreUnavailableError
from tests.cli.shell import Shell

NO_DATABASE = "postgresql://me:very-secret@127.0.0.1:1/orders"
NOBODY_LISTENS = "amqp://guest:very-secret@127.0.0.1:1/orders"
OWN_BROKER = "embedded:broker.db"
OWN_DATABASE = "sqlite:///dalsegno.db"


@pytest.fixture(scope="module")
def namespace(folder: Path) -> Shell:
    """A folder with a namespace in which nothing runs."""
    shell = Shell(folder, DALSEGNO_TIMEOUT="1")
    assert shell.run("init").exit_code == DONE
    return shell


# --- URLs ----------------------------------------------------------------------------------------------------


def test_a_broker_url_of_another_scheme_is_refused_with_those_that_there_are(shell: Shell) -> None:
    done = shell.run("ping", "--broker", "kafka://me:very-secret@localhost")

    assert done.exit_code == USAGE
    assert done.sentence == (
        "the broker URL 'kafka://me:***@localhost' must begin with amqp://, amqps:// or embedded:"
    )


def test_a_database_url_of_another_scheme_is_refused_with_those_that_there_are(shell: Shell) -> None:
    done = shell.run("init", "--broker", OWN_BROKER, "--database", "mysql://me:very-secret@localhost/orders")

    assert done.exit_code == USAGE
    assert "postgresql://" in done.sentence
    assert "sqlite:///" in done.sentence
    assert "very-secret" not in done.err


def test_a_port_that_is_no_number_is_told_with_how_a_url_is_written(shell: Shell) -> None:
    done = shell.run("ping", "--broker", "amqp://guest:very-secret@127.0.0.1:abc/")

    assert done.exit_code == USAGE
    assert done.sentence == (
        "'amqp://guest:***@127.0.0.1:abc/' is not a URL: write amqp://user:password@host:5672/virtual-host"
    )


# --- brokers and databases that are not there ----------------------------------------------------------------


def test_a_rabbitmq_that_is_not_there_is_unavailable_when_the_time_is_up(shell: Shell) -> None:
    done = shell.run("workflow", "list", "--broker", NOBODY_LISTENS, "--timeout", "0.5")

    assert done.exit_code == UNAVAILABLE
    assert "cannot reach RabbitMQ at 127.0.0.1:1" in done.sentence
    assert "very-secret" not in done.err


def test_an_embedded_namespace_without_a_host_is_unavailable_and_says_what_to_start(namespace: Shell) -> None:
    done = namespace.run("workflow", "list")

    assert done.exit_code == UNAVAILABLE
    assert "Nobody serves the embedded broker" in done.sentence
    assert "`dalsegno dev`" in done.sentence


def test_a_folder_without_a_namespace_says_how_to_get_one(shell: Shell) -> None:
    done = shell.run("workflow", "list", "--timeout", "0.1")

    assert done.exit_code == UNAVAILABLE
    assert done.sentence.startswith(f"There is no namespace in {shell.folder}/.dalsegno: start one with ")


def test_init_makes_an_embedded_namespace_with_nothing_running_and_again_changes_nothing(shell: Shell) -> None:
    first = shell.run("init", "--partitions", "4")
    again = shell.run("init")
    other = shell.run("init", "--partitions", "8")

    assert first.exit_code == again.exit_code == DONE
    assert first.out == again.out == "The namespace is there, with 4 partitions.\n"
    assert other.exit_code == USAGE
    assert "has 4 partitions, not 8" in other.sentence


def test_a_database_without_tables_names_the_command_that_makes_them(shell: Shell) -> None:
    nothing = shell.run("host", "tests.cli.sample")
    (shell.folder / ".dalsegno").mkdir()
    (shell.folder / ".dalsegno" / "dalsegno.db").touch()
    empty = shell.run("host", "tests.cli.sample")

    for done in (nothing, empty):
        assert done.exit_code == USAGE
        assert "dalsegno init" in done.sentence


def test_a_folder_that_cannot_be_made_is_refused(shell: Shell) -> None:
    (shell.folder / "file").touch()

    done = shell.run("dev", "tests.cli.sample", "--dir", "file/folder")

    assert done.exit_code == USAGE
    assert "file" in done.sentence
    assert "Not a directory" in done.sentence


@pytest.mark.rabbitmq
def test_a_wrong_password_for_rabbitmq_is_a_persons_to_mend_and_is_not_shown(
    shell: Shell, rabbitmq_url: str
) -> None:
    url = rabbitmq_url.replace("guest:guest@", "guest:very-secret@")

    asked = shell.run("ping", "--broker", url, "--timeout", "10")
    worked = shell.run("worker", "tests.cli.sample", "--broker", url)
    made = shell.run("init", "--broker", url, "--database", OWN_DATABASE)

    for done in (asked, worked, made):
        assert done.exit_code == USAGE
        assert "password" in done.sentence
        assert "very-secret" not in done.err


@pytest.mark.rabbitmq
def test_a_virtual_host_without_a_namespace_names_the_command_that_makes_one(
    shell: Shell, rabbitmq_url: str
) -> None:
    done = shell.run("ping", "--broker", rabbitmq_url, "--timeout", "10")

    assert done.exit_code == USAGE
    assert "`dalsegno init`" in done.sentence


@pytest.mark.postgres
def test_a_postgresql_that_refuses_is_a_persons_to_mend(shell: Shell, postgres_url: str) -> None:
    url = postgres_url.replace("postgresql://", "postgresql://nobody:very-secret@", 1).replace(
        "very-secret@dalsegno@", "very-secret@"
    )

    done = shell.run("init", "--broker", OWN_BROKER, "--database", url)

    assert done.exit_code == USAGE
    assert "nobody" in done.sentence
    assert "very-secret" not in done.err


def test_a_postgresql_that_is_not_there_is_unavailable(shell: Shell) -> None:
    done = shell.run("verify", "--database", NO_DATABASE)

    assert done.exit_code == UNAVAILABLE
    assert "postgresql://me:***@127.0.0.1:1/orders" in done.sentence
    assert "very-secret" not in done.err


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long `init` has waited between its tries, on a clock that only this moves on."""
    waited: list[float] = []
    clock = SimpleNamespace(sleep=waited.append, monotonic=lambda: sum(waited))
    monkeypatch.setattr(namespaces, "time", clock)
    return waited


@pytest.mark.parametrize(
    ("broker", "database", "missing"),
    [
        (OWN_BROKER, NO_DATABASE, StoreUnavailableError),
        (NOBODY_LISTENS, OWN_DATABASE, BrokerUnavailableError),
    ],
    ids=["database", "broker"],
)
def test_init_tries_for_ten_seconds_to_reach_what_refuses_it(
    broker: str,
    database: str,
    missing: type[Exception],
    waits: list[float],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)

    with pytest.raises(missing):
        namespaces.initialise(broker, database)

    assert 9 <= sum(waits) <= 10


@pytest.mark.rabbitmq
def test_init_goes_on_when_a_broker_that_refused_it_is_there(
    rabbitmq_url: str, waits: list[float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a deployment that starts both at once."""
    monkeypatch.chdir(tmp_path)
    brokers = iter([NOBODY_LISTENS, NOBODY_LISTENS, rabbitmq_url])
    monkeypatch.setattr(namespaces, "open_broker", lambda _: Moving(brokers))

    namespace = namespaces.initialise(NOBODY_LISTENS, OWN_DATABASE, partitions=2).namespace

    assert namespace.partitions == 2
    assert len(waits) == 2


class Moving:
    """A broker that is somewhere else each time one connects to it."""

    def __init__(self, urls: Iterator[str]) -> None:
        self._urls = urls

    async def connect(self, *, on_closed: OnClosed, name: str) -> Session:
        return await open_broker(next(self._urls)).connect(on_closed=on_closed, name=name)


def test_a_port_where_something_else_than_postgresql_answers_is_a_persons_to_mend(shell: Shell) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=answer_as_rabbitmq, args=[listening], daemon=True).start()
        port = listening.getsockname()[1]

        done = shell.run("verify", "--database", f"postgresql://me:very-secret@127.0.0.1:{port}/orders")

    assert done.exit_code == USAGE
    assert "is it PostgreSQL that answers there?" in done.sentence
    assert "very-secret" not in done.err


def answer_as_rabbitmq(listening: socket.socket) -> None:
    with contextlib.suppress(OSError):  # it is closed when the test ends
        while True:
            connection, _ = listening.accept()
            with connection:
                connection.recv(100)
                connection.sendall(b"AMQP\0\0\x09\x01")


# --- code ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("module", "wrong"),
    [
        ("nowhere.orders", "There is no module 'nowhere.orders' in "),
        ("tests.cli.broken", "The module 'tests.cli.broken' cannot be imported: LookupError: no settings for"),
        ("tests/cli/sample.py", "'tests/cli/sample.py' is a path: name the module"),
        ("json", "There is no workflow in json"),
    ],
)
def test_code_that_a_host_cannot_run_ends_it_with_a_sentence(namespace: Shell, module: str, wrong: str) -> None:
    done = namespace.run("host", module, "--log-level", "error")

    assert done.exit_code == USAGE
    assert wrong in done.sentence


def test_a_module_that_fails_to_import_is_told_with_its_line(shell: Shell) -> None:
    done = shell.run("worker", "tests.cli.broken", "--broker", OWN_BROKER)

    assert done.exit_code == USAGE
    assert done.sentence.endswith(f"({Path(__file__).with_name('broken.py')}, line 3)")


def test_a_worker_without_activities_ends_with_a_sentence(shell: Shell) -> None:
    done = shell.run("worker", "tests.cli.only_workflows")

    assert done.exit_code == USAGE
    assert "There is no activity in tests.cli.only_workflows" in done.sentence


@pytest.mark.parametrize("seconds", ["60", "-1", "a day", "nan", "inf"])
def test_a_time_of_remembering_that_no_outage_would_fit_into_is_refused(shell: Shell, seconds: str) -> None:
    flag = shell.run("host", "tests.cli.sample", "--seen-retention", seconds)
    environment = shell.run("verify", DALSEGNO_SEEN_RETENTION=seconds)

    for done in (flag, environment):
        assert done.exit_code == USAGE
        assert "--seen-retention" in done.sentence


@pytest.mark.parametrize("seconds", ["1", "nan", "inf", "1e12"])
def test_a_lease_that_would_be_lost_at_once_or_never_is_refused(shell: Shell, seconds: str) -> None:
    done = shell.run("host", "tests.cli.sample", "--lease-ttl", seconds)

    assert (done.exit_code, "--lease-ttl" in done.sentence) == (USAGE, True)
    with pytest.raises(ConfigurationError, match=r"lease_ttl_seconds is .* must be 2 to 3600"):
        HostSettings(lease_ttl_seconds=float(seconds))


@pytest.mark.parametrize("number", ["0", "-1", "1048575", "256MB"])
@pytest.mark.parametrize("command", ["host", "worker"])
def test_a_bound_that_the_largest_message_would_not_fit_into_is_refused(
    shell: Shell, command: str, number: str
) -> None:
    done = shell.run(command, "tests.cli.sample", "--held-bytes", number)

    assert (done.exit_code, "--held-bytes" in done.sentence) == (USAGE, True)


def test_a_host_cannot_be_built_with_a_bound_below_the_largest_message() -> None:
    with pytest.raises(ConfigurationError, match="held_bytes is 1, but must be 1048576 or more"):
        HostSettings(held_bytes=1)


def test_a_folder_without_a_name_is_the_working_folder(shell: Shell) -> None:
    (shell.folder / "dev.lock").mkdir()

    done = shell.run("dev", "tests.cli.sample", "--dir", "")

    assert (done.exit_code, done.sentence) == (USAGE, "cannot use dev.lock: Is a directory")


def test_several_processes_on_files_are_refused(shell: Shell) -> None:
    done = shell.run("host", "tests.cli.sample", "--processes", "2")

    assert done.exit_code == USAGE
    assert "--processes 1" in done.sentence


def test_a_mistake_in_a_decorated_class_is_told_with_the_users_line_and_by_dev_once(shell: Shell) -> None:
    (shell.folder / "shop.py").write_text(
        "from dalsegno import workflow\n\n\n@workflow.defn\nclass Order:\n    pass\n"
    )

    done = shell.run("dev", "shop")

    assert done.exit_code == USAGE
    assert "The module 'shop' cannot be imported: " in done.sentence
    assert done.sentence.endswith(f"({shell.folder}/shop.py, line 4)")


# --- what is given to a workflow -----------------------------------------------------------------------------


@pytest.mark.parametrize("text", ['{"secret": "4711"', "Ann", "@missing.json", "[" * 100_000])
def test_an_input_that_is_no_json_is_refused_without_quoting_it(shell: Shell, text: str) -> None:
    done = shell.run("workflow", "start", "Greeting", "--id", "g", "--input", "1", "--input", text)

    assert done.exit_code == USAGE
    assert done.sentence.startswith("--input 2")
    assert "4711" not in done.err


def test_what_is_shown_of_a_url_never_has_its_password() -> None:
    assert redact(NOBODY_LISTENS) == "amqp://guest:***@127.0.0.1:1/orders"
