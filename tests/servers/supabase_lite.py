"""@supabase/lite before the tests' PostgreSQL: a server speaking PostgREST's protocol that nobody of us wrote."""

import os
import secrets
import shutil
import subprocess
import threading
import urllib.request
from pathlib import Path

from tests.servers.processes import end_process, ending_with_us, free_port, remove_folder, server_folder, wait_for

HERE = Path(__file__).parent
PROGRAM = HERE / "node_modules" / "@supabase" / "lite" / "dist" / "cli" / "index.js"
_LOST_SCHEMA = b"Introspection failed"  # its database died while it read the schema: it would know no table ever after
CONFIGURATION = """[api]
port = {port}
schemas = ["public"]
max_rows = 1000
[db]
driver = "postgres"
url = "env(LITE_DB_URL)"
[auth]
enabled = true
jwt_secret = "env(LITE_JWT_SECRET)"
publishable_key = "env(SUPABASE_PUBLISHABLE_KEY)"
secret_key = "env(SUPABASE_SECRET_KEY)"
"""


def missing() -> str | None:
    """What must be installed before this server can run; None when nothing is missing."""
    if shutil.which("node") is None:
        return "node is not installed (Debian and Ubuntu: apt-get install nodejs npm)"
    if not PROGRAM.exists():
        return "@supabase/lite is not installed (run `npm ci` in tests/servers)"
    return None


class SupabaseLite:
    """One server for one database. It is started again whenever it dies, as a hosted one would be."""

    def __init__(self, socket_folder: Path, port: int, database: str) -> None:
        """Stands before the database of that name on the server whose unix socket lies in `socket_folder`."""
        self.folder = server_folder("lite")
        self.log = self.folder / "log"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.secret_key = "sb_secret_" + secrets.token_urlsafe(24)
        self.publishable_key = "sb_publishable_" + secrets.token_urlsafe(24)
        self.restarts = 0
        self._wanted = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._environment = {
            **os.environ,
            "LITE_TELEMETRY": "0",
            "DO_NOT_TRACK": "1",
            "SUPABASE_PUBLISHABLE_KEY": self.publishable_key,
            "SUPABASE_SECRET_KEY": self.secret_key,
            "LITE_JWT_SECRET": secrets.token_urlsafe(48),
            # postgres.js understands no URL with a socket folder in it: the folder goes by the environment.
            "PGHOST": str(socket_folder),
            "PGPORT": str(port),
            "PGUSER": "postgres",
            "LITE_DB_URL": f"postgres:///{database}?client_min_messages=warning",
        }
        (self.folder / "supabase").mkdir()
        (self.folder / "supabase" / "config.toml").write_text(CONFIGURATION.format(port=self.port))

    def start(self) -> None:
        """It answers, made its roles and grants (its first request does, two at once would fail), and is watched."""
        self._wanted.set()
        self._launch()
        wait_for(self._answers, "@supabase/lite", process=self._process, log=self.log)
        threading.Thread(target=self._watch, name="supabase-lite", daemon=True).start()

    def restart(self) -> None:
        """It answers again and knows the tables of this moment: it keeps the schema it met at its start."""
        self._wanted.clear()
        end_process(self._process)
        self.start()

    def remove(self) -> None:
        """It is gone."""
        self._wanted.clear()
        end_process(self._process)
        remove_folder(self.folder)

    def _launch(self) -> None:
        with self.log.open("ab") as log:
            command = [*ending_with_us("KILL"), "node", str(PROGRAM), "--no-telemetry", "start", "--no-admin"]
            self._process = subprocess.Popen(
                command, cwd=self.folder, env=self._environment, stdout=log, stderr=log, start_new_session=True
            )

    def _watch(self) -> None:
        process, read = self._process, 0
        while process is not None:
            try:
                process.wait(0.2)
            except subprocess.TimeoutExpired:
                read, told = self._news(read)
                if _LOST_SCHEMA not in told:
                    continue
                process.kill()
                process.wait()
            if not self._wanted.is_set() or process is not self._process:
                return
            self.restarts += 1
            self._launch()
            process = self._process

    def _news(self, read: int) -> tuple[int, bytes]:
        """What it has logged after the first `read` bytes, and how far that is."""
        with self.log.open("rb") as log:
            log.seek(read)
            told = log.read()
        return read + len(told), told

    def _answers(self) -> bool:
        request = urllib.request.Request(self.url + "/rest/v1/", headers={"apikey": self.secret_key})
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False
