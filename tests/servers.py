"""Private servers for tests, benchmarks and crash scripts: a RabbitMQ node, a PostgreSQL cluster.

Each is a context manager that starts a server of its own on free loopback ports with a folder of its own,
and leaves nothing behind, even if this process is killed:

    with RabbitMQServer() as broker, PostgresServer() as database:
        run_against(broker.url, database.url)

They work as root and as an ordinary user, and need no system service: Debian's packages `rabbitmq-server` and
`postgresql` are enough.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import port_for
import psycopg
from mirakuru.base import cleanup_subprocesses
from psycopg import sql
from pytest_rabbitmq.factories.executor import RabbitMqExecutor

from tests.ports import Ports

# When a process ends that has imported it, mirakuru kills whatever it takes to be started by that: by whether
# the digits of its PID are anywhere in a server's random ID. Servers here end with who started them.
atexit.unregister(cleanup_subprocesses)

START_SECONDS = 60.0
"""A node is up in about ten seconds on an idle machine; tests of others may keep it busy."""
STOP_SECONDS = 30.0

RABBITMQ_BIN = Path("/usr/lib/rabbitmq/bin")
"""Not /usr/sbin, whose wrapper switches to the user `rabbitmq`, or refuses."""

INSTALL_HINT = "install it (Debian: apt-get install rabbitmq-server postgresql) or set {variable} to a URL"


_starter = ThreadPoolExecutor(max_workers=1, thread_name_prefix="servers")
"""Starts every server. The kernel ends a server with the *thread* that started it, and this one lives as long
as the process, whoever calls."""


class ServerNotInstalledError(RuntimeError):
    """The server's binaries are not on this machine; the message says what to install or set."""


def wait_until(state: Callable[[], bool], seconds: float, what: str) -> None:
    """Poll `state` until it holds; TimeoutError naming `what` after `seconds`."""
    deadline = time.monotonic() + seconds
    while not state():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not happen within {seconds:.0f} s")
        time.sleep(0.05)


def _ends_with_parent(signal_name: str) -> list[str]:
    """A command prefix by which the kernel ends the server when its starter dies, however it dies."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", signal_name, "--"] if setpriv else []


def _spawn(command: list[str], **options: Any) -> subprocess.Popen[bytes]:
    return _starter.submit(lambda: subprocess.Popen(command, **options)).result()


class _Node(RabbitMqExecutor):
    """pytest-rabbitmq's executor, with the part of the environment that it leaves to the system's files."""

    def __init__(self, folder: Path, *, port: int, distribution_port: int, extra: Mapping[str, str]) -> None:
        command = [*_ends_with_parent("TERM"), str(RABBITMQ_BIN / "rabbitmq-server")]
        self._extra = dict(extra)
        super().__init__(
            " ".join(command),
            host="127.0.0.1",
            port=port,
            distribution_port=distribution_port,
            rabbit_ctl=str(RABBITMQ_BIN / "rabbitmqctl"),
            logpath=folder / "log",
            path=folder,
            plugin_path=folder,
            node_name=f"dalsegno-{port}@localhost",
        )

    @property
    def envvars(self) -> dict[str, str]:
        inherited = {name: value for name, value in super().envvars.items() if not name.startswith("ERL_")}
        return inherited | self._extra


class _Server(ABC):
    """Started by `with`, and closed by it, also when it does not start."""

    def __enter__(self) -> Self:
        try:
            self._prepare()
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @abstractmethod
    def _prepare(self) -> None: ...

    @abstractmethod
    def start(self) -> None: ...

    @abstractmethod
    def close(self) -> None: ...


ERL_CALL_ATTEMPTS = 10


class RabbitMQServer(_Server):
    """A RabbitMQ node with its own epmd, in a folder of its own."""

    def __init__(self) -> None:
        if not (RABBITMQ_BIN / "rabbitmq-server").exists():
            hint = INSTALL_HINT.format(variable="DALSEGNO_TEST_BROKER_URL")
            raise ServerNotInstalledError(f"RabbitMQ is not installed: {hint}.")
        self.folder = Path(tempfile.mkdtemp(prefix="dalsegno-rabbitmq-"))
        self._ports = Ports(3)
        self.port, distribution_port, self._epmd_port = self._ports.numbers
        self._cookie = secrets.token_hex(16)
        self._write_configuration()
        self._epmd: subprocess.Popen[bytes] | None = None
        self._node = _Node(
            self.folder,
            port=self.port,
            distribution_port=distribution_port,
            extra={
                "HOME": str(self.folder),
                "ERL_EPMD_PORT": str(self._epmd_port),
                "ERL_EPMD_ADDRESS": "127.0.0.1",
                "RABBITMQ_CONF_ENV_FILE": "/dev/null",
                "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq.conf"),
                "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
                "RABBITMQ_PID_FILE": str(self.folder / "pid"),
                "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            },
        )

    def _write_configuration(self) -> None:
        cookie = self.folder / ".erlang.cookie"
        cookie.write_text(self._cookie)
        cookie.chmod(0o400)
        (self.folder / "plugins").write_text("[].")
        (self.folder / "rabbitmq.conf").write_text("log.console = false\ndisk_free_limit.absolute = 50MB\n")

    @property
    def url(self) -> str:
        """The default virtual host. See `virtual_host` for one that is nobody else's."""
        return self.url_of("/")

    def url_of(self, virtual_host: str) -> str:
        name = virtual_host.replace("/", "%2F")
        return f"amqp://guest:guest@127.0.0.1:{self.port}/{name}"

    @property
    def pid(self) -> int:
        """The Erlang VM that is the broker."""
        return int((self.folder / "pid").read_text())

    def _prepare(self) -> None:
        # Ours, so that its PID is known: one that the node starts by itself would outlive the node.
        command = [*_ends_with_parent("KILL"), "epmd", "-port", str(self._epmd_port), "-address", "127.0.0.1"]
        self._epmd = _spawn(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(lambda: port_for.port_is_used(self._epmd_port), STOP_SECONDS, "the start of epmd")

    def start(self) -> None:
        """Start the node (again), with what it has on disk; it serves when this returns."""
        _starter.submit(self._node.start).result()
        # The port opens before the node has booted; what is asked of it in between it may ignore.
        wait_until(self._has_booted, START_SECONDS, "the start of RabbitMQ")

    def _has_booted(self) -> bool:
        return "true" in self.evaluate("rabbit:is_running() andalso whereis(rabbit_boot) =:= undefined")

    def stop(self) -> None:
        """Shut the node down in good order (SIGTERM), as a system service does."""
        self._node.stop(expected_returncode=0)

    def flush(self) -> None:
        """Have the directory of its quorum queues on disk. RabbitMQ writes it every half second only, and after
        a crash within that time a queue just declared never finds a leader again, with all it holds."""
        self.evaluate("[ok = dets:sync(Table) || Table <- dets:all()]")

    def kill(self, *, flushed: bool = False) -> None:
        """SIGKILL the node; what it has written is safe, as after any crash but that of the machine. `flushed`:
        it has been, since the last queue was declared; a node that is stopped cannot be any more."""
        if not flushed:
            self.flush()
        self._node.kill()
        wait_until(lambda: not port_for.port_is_used(self.port), STOP_SECONDS, "the end of the killed node")

    def close(self) -> None:
        """End everything that was started and delete the folder. Closing twice is ordinary."""
        self._node.kill()
        if self._epmd is not None:
            self._epmd.kill()
            self._epmd.wait()
            self._epmd = None
        self._ports.free()
        shutil.rmtree(self.folder, ignore_errors=True)

    def stop_app(self) -> None:
        """Stop the broker inside the running VM, as `rabbitmqctl stop_app`: connections are closed."""
        self.evaluate("rabbit:stop()")
        wait_until(lambda: not self._has_booted(), STOP_SECONDS, "the end of the broker")

    def start_app(self) -> None:
        self.evaluate("rabbit:start()")
        wait_until(self._has_booted, START_SECONDS, "the start of the broker")

    @contextlib.contextmanager
    def memory_alarm(self) -> Iterator[None]:
        """Publishing connections are blocked within; consumers and acknowledgements are not."""
        self.evaluate("vm_memory_monitor:set_vm_memory_high_watermark(0.0000001)")
        states = "[(catch rabbit_reader:info(P, [state])) || P <- rabbit_networking:local_connections()]"
        while "running" in self.evaluate(states):
            continue  # connections are told one by one
        try:
            yield
        finally:
            self.evaluate("vm_memory_monitor:set_vm_memory_high_watermark(0.4)")

    @contextlib.contextmanager
    def virtual_host(self) -> Iterator[str]:
        """The URL of a fresh virtual host, deleted with all that is in it."""
        name = f"test-{secrets.token_hex(6)}"
        self.evaluate(f'rabbit_vhost:add(<<"{name}">>, <<"tests">>)')
        self._grant(name, ".*", ".*", ".*")
        try:
            yield self.url_of(name)
        finally:
            if self._node.running():
                self.evaluate(f'rabbit_vhost:delete(<<"{name}">>, <<"tests">>)')

    @contextlib.contextmanager
    def rights(self, url: str, *, configure: str = ".*", write: str = ".*", read: str = ".*") -> Iterator[None]:
        """Within, guest may do only this in the virtual host of `url`; all connections are closed, because a
        channel remembers what it was allowed."""
        self._grant(url, configure, write, read)
        self.close_connections()
        try:
            yield
        finally:
            self._grant(url, ".*", ".*", ".*")

    def _grant(self, url: str, *patterns: str) -> None:
        virtual_host = url.rpartition("/")[2].replace("%2F", "/")
        rights = ", ".join(f'<<"{pattern}">>' for pattern in patterns)
        subject = f'<<"guest">>, <<"{virtual_host}">>'
        self.evaluate(f'rabbit_auth_backend_internal:set_permissions({subject}, {rights}, <<"tests">>)')

    def close_connections(self) -> None:
        """Of all virtual hosts, as an operator does."""
        close = 'rabbit_networking:close_connection(Connection, "closed by a test")'
        self.evaluate(f"[catch {close} || Connection <- rabbit_networking:connections()]")

    def evaluate(self, expression: str) -> str:
        """Evaluate an Erlang expression in the node and return what it printed; RuntimeError if it failed.

        In milliseconds through erl_call, which comes with Erlang; rabbitmqctl takes more than a second. Of a
        node that is busy it says at once that it cannot connect, so it is asked to try again.
        """
        command = ["erl_call", "-c", self._cookie, "-sname", f"dalsegno-{self.port}@localhost", "-e"]
        for _ in range(ERL_CALL_ATTEMPTS):
            done = subprocess.run(
                command,
                input=f"{expression}.\n",
                env=self._node.envvars,
                text=True,
                capture_output=True,
                check=False,
            )
            if "failed to connect to node" not in done.stderr:
                break
        if done.returncode != 0 or not done.stdout.startswith("{ok,"):
            raise RuntimeError(f"{expression} failed: {done.stdout} {done.stderr}")
        return done.stdout

    def control(self, *arguments: str) -> str:
        """Run rabbitmqctl against the node (a second or two) and return its output."""
        output: str = self._node.rabbitctl_output(*arguments)
        return output


class PostgresServer(_Server):
    """A PostgreSQL cluster, with fsync on unless told otherwise; or a standby that follows another."""

    user = "dalsegno"

    def __init__(
        self,
        *,
        fsync: bool = True,
        settings: Mapping[str, str] | None = None,
        standby_of: PostgresServer | None = None,
    ) -> None:
        self._bin = _postgres_bin()
        self._primary = standby_of
        self.folder = Path(tempfile.mkdtemp(prefix="dalsegno-postgres-"))
        self._ports = Ports(1)
        (self.port,) = self._ports.numbers
        self._settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": str(self.folder),
            "max_connections": "200",
            "fsync": "on" if fsync else "off",
            **(settings or {}),
        }
        self._process: subprocess.Popen[bytes] | None = None
        # PostgreSQL refuses to run as root.
        self._as_user: dict[str, Any] = {"cwd": "/"}
        if os.geteuid() == 0:
            self._as_user |= {"user": "postgres", "group": "postgres", "extra_groups": []}
            shutil.chown(self.folder, "postgres", "postgres")

    @property
    def url(self) -> str:
        """The cluster's own database. See `database` for one that is nobody else's."""
        return self.url_of("postgres")

    def url_of(self, database: str) -> str:
        return f"postgresql://{self.user}@127.0.0.1:{self.port}/{database}"

    @property
    def pid(self) -> int:
        """The postmaster; backends are its children."""
        assert self._process is not None, "the server was not started"
        return self._process.pid

    def _prepare(self) -> None:
        options = ["-A", "trust", "-U", self.user, "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]
        program = "initdb"
        if self._primary is not None:
            options = ["-d", self._primary.url, "-R", "--checkpoint=fast", "--no-sync"]
            program = "pg_basebackup"
        command = [str(self._bin / program), "-D", str(self.folder / "data"), *options]
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True, **self._as_user)

    def start(self) -> None:
        """Start the cluster (again), with what it has on disk; it answers when this returns."""
        settings = [part for name, value in self._settings.items() for part in ("-c", f"{name}={value}")]
        command = [str(self._bin / "postgres"), "-D", str(self.folder / "data"), *settings]
        with (self.folder / "log").open("ab") as log:
            guarded = [*_ends_with_parent("QUIT"), *command]
            self._process = _spawn(guarded, stdout=log, stderr=log, **self._as_user)
        wait_until(self._answers, START_SECONDS, "the start of PostgreSQL")

    def _answers(self) -> bool:
        if self._process is None or self._process.poll() is not None:
            raise RuntimeError(f"PostgreSQL ended: {(self.folder / 'log').read_text()[-2000:]}")
        try:
            psycopg.connect(self.url, connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End the server: SIGINT in good order, SIGQUIT at once (it recovers at its next start)."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(STOP_SECONDS)
            self._process = None

    def restart(self, how: signal.Signals = signal.SIGINT) -> None:
        self.stop(how)
        self.start()

    def close(self) -> None:
        """End the server and delete the folder. Closing twice is ordinary."""
        self.stop(signal.SIGQUIT)
        self._ports.free()
        shutil.rmtree(self.folder, ignore_errors=True)

    def terminate_backends(self, database_url: str) -> int:
        """End every connection to a database of any server, as a fail-over would; returns their number."""
        others = "datname = current_database() AND pid <> pg_backend_pid()"
        with psycopg.connect(database_url, autocommit=True) as connection:
            statement = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}"
            return len(connection.execute(statement).fetchall())

    def database(self) -> contextlib.AbstractContextManager[str]:
        """The URL of a fresh database, dropped at the end with whoever is still connected."""
        return fresh_database(self.url)


@contextlib.contextmanager
def fresh_database(server_url: str) -> Iterator[str]:
    """Create a database beside the one that `server_url` names, yield its URL, drop it."""
    name = f"test_{secrets.token_hex(6)}"
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    base, _, query = server_url.partition("?")
    try:
        yield f"{base.rpartition('/')[0]}/{name}" + (f"?{query}" if query else "")
    finally:
        # A test may have stopped the server; then the database goes with its folder.
        with (
            contextlib.suppress(psycopg.OperationalError),
            psycopg.connect(server_url, autocommit=True) as connection,
        ):
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _postgres_bin() -> Path:
    """The newest PostgreSQL of the machine: Debian's folders first, then the PATH."""
    versions = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/postgres")]
    if versions:
        return max(versions, key=lambda path: int(path.parent.name))
    on_path = shutil.which("postgres")
    if on_path is None:
        hint = INSTALL_HINT.format(variable="DALSEGNO_TEST_DATABASE_URL")
        raise ServerNotInstalledError(f"PostgreSQL is not installed: {hint}.")
    return Path(on_path).parent
