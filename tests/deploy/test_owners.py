"""A portal of a user of its own, as the README sets it up, and what root may do to it: look, and break nothing."""

import contextlib
import os
import re
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

from deployment import files
from deployment.plan import Folders, Plan
from deployment.report import Report
from tests.deploy.test_start import Copy
from tests.servers.processes import remove_folder, server_folder

DOMAIN = "portal.example.com"
USER = "nobody"
PYTHON = "/usr/bin/python3"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can become another user"),
]


def _becoming(name: str) -> dict[str, object]:
    import pwd

    entry = pwd.getpwnam(name)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


class OwnPortal:
    """A copy of the project that belongs to `nobody`, whom each command names that is not root's."""

    def __init__(self) -> None:
        self.copy = Copy()
        self.folder = self.copy.folder
        self.venv = self.folder / "venv"
        self._make_venv()
        for name in ("data", "logs", "backups"):
            (self.folder / name).mkdir(mode=0o700)
        subprocess.run(["chown", "-R", USER, str(self.folder)], check=True)
        self.folder.chmod(0o755)

    def _make_venv(self) -> None:
        """The packages of this test run under a Python that everybody may run: this one may lie in a home folder."""
        subprocess.run([PYTHON, "-m", "venv", "--without-pip", str(self.venv)], check=True)
        packages = self.venv / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
        (packages / "tests.pth").write_text(sysconfig.get_path("purelib"))
        # One package more that redis takes before Python 3.11.3.
        (packages / "async_timeout.py").write_text("from asyncio import timeout\n")
        name = "requirements_production.txt"
        told = self.run("-c", "import pathlib; from deployment import environment; "
                        f"print(environment.fingerprint(pathlib.Path('{name}')))", root=True)
        (self.venv / f".installed-{name}").write_text(told.stdout.strip())

    def run(self, *command: str, root: bool = False) -> subprocess.CompletedProcess[str]:
        environment = {**self.copy.environment, "HOME": str(self.folder)}
        ended: subprocess.CompletedProcess[str] = subprocess.run(
            [str(self.venv / "bin" / "python"), *command], cwd=self.folder, env=environment, text=True, timeout=180,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
            **({} if root else _becoming(USER)))  # type: ignore[call-overload]
        return ended

    def set_up(self, *options: str, root: bool = False) -> subprocess.CompletedProcess[str]:
        return self.run("deploy_multiuser.py", *options, root=root)

    def flask(self, *command: str, root: bool = False) -> subprocess.CompletedProcess[str]:
        return self.run("-m", "flask", "--app", "app_multiuser", *command, root=root)

    def owners(self) -> dict[str, tuple[int, int]]:
        """Owner and mode of every file, and of the folders above it, but for what Python compiles."""
        paths = [*self.folder.rglob("*"), self.folder, *self.folder.parents]
        return {str(path): (path.lstat().st_uid, path.lstat().st_mode) for path in paths
                if "__pycache__" not in str(path)}


@pytest.fixture(scope="module")
def portal() -> Iterator[OwnPortal]:
    same = subprocess.run([PYTHON, "-c", "import sys; print(*sys.version_info[:2])"], capture_output=True, check=False)
    if same.stdout.split() != [str(number).encode() for number in sys.version_info[:2]]:
        pytest.skip(f"{PYTHON} is not the Python that this test run has packages for")
    made = OwnPortal()
    yield made
    made.copy.remove()


@pytest.fixture(scope="module")
def set_up(portal: OwnPortal) -> OwnPortal:
    done = portal.set_up("--domain", DOMAIN, "--user", USER)
    assert done.returncode == 0, done.stdout
    return portal


def test_the_portals_user_sets_it_up_and_makes_the_first_administrator(set_up):
    told = set_up.flask("ensure-admin")
    assert told.returncode == 0, told.stdout
    assert re.search(r"^Sign in as \S+@\S+ with the one-time password \S+", told.stdout, re.MULTILINE)
    assert set_up.flask("backup").returncode == 0
    inside = {owner for path, (owner, _) in set_up.owners().items() if path.startswith(f"{set_up.folder}/")}
    assert inside == {_becoming(USER)["user"]}


@pytest.mark.parametrize("command", ["backup", "ensure-admin"])
def test_a_command_of_roots_is_told_whose_data_they_are_and_changes_nothing(set_up, command):
    before = set_up.owners()
    told = set_up.flask(command, root=True)
    assert told.returncode == 1
    assert told.stdout.splitlines()[-1] == (
        f"{set_up.folder}/data/postgres belongs to {USER}: run this as that user, with sudo -u {USER} in front of it")
    assert "Traceback" not in told.stdout
    assert set_up.owners() == before
    assert set_up.flask("migrate").returncode == 0


def test_roots_set_up_looks_with_the_eyes_of_the_portals_user(set_up):
    before = set_up.owners()
    for options in ([], ["--check"]):
        told = set_up.set_up(*options, root=True)
        assert told.returncode == 0, told.stdout
        assert "Database (embedded PostgreSQL): answers in" in told.stdout
    assert set_up.owners() == before
    (set_up.folder / "deploy" / "nginx.conf").unlink()
    assert set_up.set_up(root=True).returncode == 0
    assert set_up.owners() == before
    refused = set_up.set_up("--start", root=True)
    assert refused.returncode == 1
    assert f"sudo -u {USER} python3 deploy_multiuser.py --start" in refused.stdout
    assert set_up.owners() == before


@contextlib.contextmanager
def _as_nobody() -> Iterator[None]:
    os.seteuid(int(_becoming(USER)["user"]))  # type: ignore[call-overload]
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def certbots_folder(monkeypatch):
    """Where certbot keeps certificates, for root's eyes alone, and beside it a folder for a site: that is answered."""
    folder = server_folder("certbot")
    live, place = folder / "live", folder / "portal"
    (live / DOMAIN).mkdir(parents=True)
    (live / DOMAIN / "fullchain.pem").write_text("")
    live.chmod(0o700)
    monkeypatch.setattr(files, "CERTIFICATES", live)
    place.mkdir()
    for name in ("nginx.conf", "insurance-portal.service"):
        (place / name).write_text((Path(__file__).resolve().parents[2] / name).read_text())
    place.chmod(0o755)
    os.chown(place, int(_becoming(USER)["user"]), -1)  # type: ignore[call-overload]
    yield place
    remove_folder(folder)


def _site(place: Path, capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
    """The site that is written and what is said."""
    plan = Plan(root=place, venv=place / "venv", app_dir=place, domain=DOMAIN, user=USER, port=None)
    files.write_files(plan, Report(), "127.0.0.1:5050", Folders.under(place))
    return (place / "deploy" / "nginx.conf").read_text(), capsys.readouterr().out


def test_who_may_not_look_for_the_certificate_is_told_how_to_find_it(certbots_folder, capsys):
    with _as_nobody():
        site, said = _site(certbots_folder, capsys)
    assert "ssl_certificate" not in site
    assert f"This user may not look into {files.CERTIFICATES}, so deploy/nginx.conf speaks HTTP." in said
    assert "sudo python3 deploy_multiuser.py" in said
    # As the sentence says: root looks once, and what root wrote the portal's user keeps and can write again.
    secure, said = _site(certbots_folder, capsys)
    assert f"ssl_certificate {files.CERTIFICATES}/{DOMAIN}/fullchain.pem;" in secure
    assert "! " not in said
    with _as_nobody():
        again, said = _site(certbots_folder, capsys)
        assert again == secure
        assert "! " not in said
        (certbots_folder / "deploy" / "nginx.conf").write_text(secure.replace("keepalive 32", "keepalive 16"))
        assert _site(certbots_folder, capsys)[0] == secure
