"""pgbouncer in transaction pooling mode: what Supabase's port 6543 and most hosted poolers are like."""

import shutil
import subprocess

from tests.servers.processes import (
    answers_sql,
    end_process,
    ending_with_us,
    free_port,
    remove_folder,
    server_folder,
    unprivileged_user,
    wait_for,
)

MISSING = "pgbouncer is not installed (Debian and Ubuntu: apt-get install pgbouncer)"


def find_pgbouncer() -> str | None:
    """Where the program is; Debian keeps it outside an ordinary user's PATH."""
    return shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin:/usr/local/sbin")


class Pgbouncer:
    """A transaction pooler before one PostgreSQL: each transaction may meet another session, nothing of one stays."""

    def __init__(self, postgres_port: int, *, pool_size: int = 20) -> None:
        self.folder = server_folder("pgbouncer")
        self.port = free_port()
        self.log = self.folder / "log"
        self._process: subprocess.Popen[bytes] | None = None
        (self.folder / "users.txt").write_text('"postgres" ""\n')
        (self.folder / "pgbouncer.ini").write_text(
            f"""[databases]
* = host=127.0.0.1 port={postgres_port} user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {self.port}
unix_socket_dir =
auth_type = any
auth_file = {self.folder}/users.txt
pool_mode = transaction
default_pool_size = {pool_size}
max_client_conn = 1000
server_idle_timeout = 60
server_login_retry = 1
ignore_startup_parameters = extra_float_digits
"""
        )

    def start(self) -> None:
        """It hands queries on to PostgreSQL."""
        program = find_pgbouncer()
        if program is None:
            raise RuntimeError(MISSING)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*ending_with_us("KILL"), program, str(self.folder / "pgbouncer.ini")],
                user=unprivileged_user(),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        wait_for(lambda: answers_sql(self.address("postgres")), "pgbouncer", process=self._process, log=self.log)

    def remove(self) -> None:
        """It is gone."""
        end_process(self._process)
        remove_folder(self.folder)

    def address(self, database: str) -> str:
        """A connection string through the pooler."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"
