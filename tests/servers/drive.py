"""A Google Drive for tests, with the key file of a service account that may use it."""

import json
import os
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.servers.processes import end_process, ending_with_us, free_port, remove_folder, server_folder, wait_for

ROOT = Path(__file__).parents[2]
SHARED_DRIVE = "SHARED"
MY_DRIVE = "root"
FOLDER = "application/vnd.google-apps.folder"


class DriveServer:
    """The emulator in a process of its own. `options` are those of its command line (latency=0.1, list_lag=2).

    With `in_memory` its files lie there where the machine has such a place: Drive's disk is not the portal's.
    """

    def __init__(self, *, in_memory: bool = False, **options: float) -> None:
        self.folder = server_folder("drive")
        self._memory = server_folder("drive-files", in_memory=True) if in_memory else None
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.credentials_file = self.folder / "service-account.json"
        self._options = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def settings(self) -> dict[str, str]:
        """What a portal that uses it is configured with."""
        return {
            "GOOGLE_CREDENTIALS_FILE": str(self.credentials_file),
            "ROOT_FOLDER_ID": SHARED_DRIVE,
            "GOOGLE_API_BASE_URL": self.url,
            "DRIVE_WRITES_PER_SECOND": "1000",
        }

    def start(self) -> None:
        """It answers, and knows the service account."""
        write_service_account(self.credentials_file, token_uri=f"{self.url}/token")
        log = self.folder / "log"
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [
                    *ending_with_us("KILL"),
                    sys.executable,
                    "-m",
                    "tests.servers.drive_emulator",
                    f"--port={self.port}",
                    *self._options,
                ],
                cwd=ROOT,
                env={**os.environ, "TMPDIR": str(self._memory or self.folder)},
                stdout=output,
                stderr=output,
            )
        wait_for(self._answers, "the drive emulator", process=self._process, log=log)

    def ask(self, what: str, content: Any = None) -> Any:
        """What /_admin/<what> answers; with content it is posted."""
        body = None if content is None else json.dumps(content).encode()
        with urllib.request.urlopen(f"{self.url}/_admin/{what}", data=body, timeout=10) as answer:
            return json.load(answer)

    def fail(self, action: str, **fault: Any) -> None:
        """The next request that fits goes wrong: method="PUT", path="upload", times=1, skip=0, status=503."""
        self.ask("fault", {"action": action, **fault})

    def configure(self, **options: float) -> None:
        """Changes options while it runs."""
        self.ask("config", options)

    def reset(self) -> None:
        """It holds nothing, and no fault is left."""
        self.ask("reset", {})

    def files(self) -> list[dict[str, Any]]:
        """Every file in it, in the trash or not; no folders."""
        return [file for file in self.ask("files") if file["mimeType"] != FOLDER]

    def folders(self) -> list[dict[str, Any]]:
        """Every folder in it but the roots."""
        return [
            file for file in self.ask("files") if file["mimeType"] == FOLDER and file["id"] not in ("root", "SHARED")
        ]

    def path_of(self, file: dict[str, Any]) -> str:
        """Where a file lies, as a path from the shared drive."""
        by_id = {other["id"]: other for other in self.ask("files")}
        names: list[str] = []
        while file["id"] not in ("root", "SHARED"):
            names.insert(0, file["name"])
            file = by_id[file["parents"][0]]
        return "/".join(names)

    def remove(self) -> None:
        """It is gone, with its files."""
        end_process(self._process)
        remove_folder(self.folder)
        if self._memory is not None:
            remove_folder(self._memory)

    def _answers(self) -> bool:
        try:
            self.ask("stats")
        except OSError:
            return False
        return True


def write_service_account(path: Path, *, token_uri: str) -> None:
    """A key file as Google hands it out, with a fresh key."""
    key = rsa.generate_private_key(65537, 2048)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_text(
        json.dumps(
            {
                "type": "service_account",
                "project_id": "tests",
                "private_key_id": "1",
                "private_key": private.decode(),
                "client_email": "portal@tests.iam.gserviceaccount.com",
                "client_id": "1",
                "token_uri": token_uri,
                "auth_uri": token_uri,
                "universe_domain": "googleapis.com",
            }
        )
    )
    path.chmod(0o644)
