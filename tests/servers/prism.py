"""Prism, a server that knows an API by its published description: it refuses what the provider would refuse.

In front of a stub (`behind`) it also refuses what the stub answers and the provider never would.
"""

import copy
import json
import shutil
import subprocess
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from tests.servers.descriptions import TWILIO_PACKAGE, shared
from tests.servers.processes import end_process, ending_with_us, free_port, remove_folder, server_folder, wait_for

CLI = Path(__file__).parent / "node_modules/@stoplight/prism-cli/dist/index.js"
MESSAGES = "/2010-04-01/Accounts/{AccountSid}/Messages"


def missing() -> str:
    """Why Prism cannot run here, or ""."""
    if shutil.which("node") is None:
        return "node is not installed (Debian and Ubuntu: apt-get install nodejs)"
    return "" if CLI.exists() else "Prism is not installed (npm ci in tests/servers)"


def twilio_description() -> dict[str, Any] | None:
    """Twilio's own description of its Messages resource; None when it is nowhere on this machine."""
    source = TWILIO_PACKAGE if TWILIO_PACKAGE.exists() else shared("specs/twilio_messages.openapi.json")
    if source is None:
        return None
    whole: dict[str, Any] = json.loads(source.read_text())
    whole["paths"] = {path: item for path, item in whole["paths"].items() if path.startswith(MESSAGES)}
    for form in _forms(whole):
        # Forms repeat the name of a list; OpenAPI's default for that is not applied by Prism.
        form["encoding"] = {name: {"style": "form", "explode": True} for name in ("MediaUrl", "PersistentAction")}
    for item in whole["paths"].values():
        for method in item.keys() & {"get", "post"}:
            _drop_uri_format(item[method]["responses"])
    return whole


def meta_description() -> dict[str, Any] | None:
    """Meta's own description of sending messages; None when it is nowhere on this machine."""
    source = shared("specs/meta_whatsapp_messages.openapi.json")
    whole: dict[str, Any] | None = json.loads(source.read_text()) if source else None
    return whole


class Prism:
    """One server for one description. `behind` is the address of a stub that it stands in front of."""

    def __init__(self, description: dict[str, Any], behind: str = "") -> None:
        self.folder = server_folder("prism")
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = self.folder / "log"
        self._file = self.folder / "description.json"
        self._file.write_text(json.dumps(description))
        self._behind = behind
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """It answers."""
        what = (["proxy", "--errors", str(self._file), self._behind] if self._behind
                else ["mock", "--errors", str(self._file)])  # fmt: skip
        command = [*ending_with_us("KILL"), "node", str(CLI), *what, "--port", str(self.port), "--host", "127.0.0.1"]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        wait_for(self._answers, "Prism", process=self._process, log=self.log)

    def remove(self) -> None:
        """It is gone."""
        end_process(self._process)
        remove_folder(self.folder)

    def _answers(self) -> bool:
        try:
            urllib.request.urlopen(f"{self.url}/nothing-of-that-name", timeout=2)
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False
        return True


def _forms(description: dict[str, Any]) -> list[dict[str, Any]]:
    operations = [item["post"] for item in description["paths"].values() if "post" in item]
    contents = [operation.get("requestBody", {}).get("content", {}) for operation in operations]
    return [content["application/x-www-form-urlencoded"] for content in contents
            if "application/x-www-form-urlencoded" in content]  # fmt: skip


def _drop_uri_format(node: Any) -> None:
    """Twilio answers relative addresses where its description says URI; in what is sent the check stays."""
    if isinstance(node, dict):
        if node.get("format") == "uri" and node.get("type") == "string":
            node.pop("format")
        for value in copy.copy(list(node.values())):
            _drop_uri_format(value)
    elif isinstance(node, list):
        for value in node:
            _drop_uri_format(value)
