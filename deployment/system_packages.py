"""What the tests use besides Python packages: servers and a browser from Debian, and packages of Node.js.

Only as root on a system with apt. Elsewhere the tests that miss something are skipped and say so.
"""
from __future__ import annotations

import hashlib
import os
import shutil
import sys

from deployment.plan import ROOT, Plan
from deployment.report import Report, run

# Package, and the program by which it is known to be there; without a program: a file.
FOR_TESTS = {
    "redis-server": "redis-server",
    "nginx": "nginx",
    "pgbouncer": "pgbouncer",
    "chromium": "chromium",
    "fonts-noto-core": "/usr/share/fonts/truetype/noto/NotoSans-Regular.ttf",
    "nodejs": "node",
    "npm": "npm",
    "systemd": "systemd-analyze",
    "slowhttptest": "slowhttptest",
    "logrotate": "logrotate",
}
NODE_PACKAGES = "tests/servers"


def install_for_tests(report: Report) -> None:
    """Installs what is missing of FOR_TESTS, and says which tests' needs stay open."""
    missing = [package for package, sign in FOR_TESTS.items() if not _is_there(sign)]
    if not missing:
        report.already("System packages that the tests use")
        return
    install(missing, report)
    for package in [package for package in missing if not _is_there(FOR_TESTS[package])]:
        if not report.dry_run:
            report.warn(f"{package} is missing: the tests that need it are skipped")


def install(packages: list[str], report: Report) -> None:
    """Installs Debian packages where this may be done; a failure is a warning, because something else may do."""
    names = " ".join(packages)
    if sys.platform != "linux" or shutil.which("apt-get") is None:
        report.skipped(f"System packages {names}", "this system has no apt")
    elif os.geteuid() != 0:
        report.skipped(f"System packages {names}", f"you are not root: sudo apt install {names}")
    elif report.dry_run:
        report.would(f"install the system packages {names}")
    else:
        _install_as_root(packages, report)


def _install_as_root(packages: list[str], report: Report) -> None:
    # The services must not start by themselves, take ports and stay behind: the tests start their own.
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    report.say(f"    installing {' '.join(packages)} ...")
    run(["apt-get", "update", "-q"], cwd=ROOT, environment=environment, timeout=300)
    quiet = ["apt-get", "install", "-y", "-q", "--no-install-recommends"]
    code, output = run([*quiet, *packages], cwd=ROOT, environment=environment, timeout=1200)
    if code != 0 and len(packages) > 1:
        # One that this release does not have must not keep the others away.
        results = [run([*quiet, package], cwd=ROOT, environment=environment, timeout=900) for package in packages]
        code, output = max(results, key=lambda result: result[0])
    if code == 0:
        report.done(f"System packages {' '.join(packages)}")
    else:
        report.warn(f"apt could not install all of {' '.join(packages)}: {output.splitlines()[-1] if output else code}")


def install_node_packages(plan: Plan, report: Report) -> None:
    """Installs the packages of tests/servers as its lock file says, unless exactly these are there."""
    folder = plan.root / NODE_PACKAGES
    lock = folder / "package-lock.json"
    if not lock.exists() or shutil.which("npm") is None:
        why = "npm is not installed" if lock.exists() else "none are needed"
        report.skipped(f"Node.js packages of {NODE_PACKAGES}", why)
        return
    marker = folder / "node_modules" / ".installed"
    wanted = hashlib.sha256(lock.read_bytes()).hexdigest()
    if marker.exists() and marker.read_text() == wanted:
        report.already(f"Node.js packages of {NODE_PACKAGES}")
        return
    if report.dry_run:
        report.would(f"install the Node.js packages of {NODE_PACKAGES}")
        return
    code, output = run(["npm", "ci", "--no-audit", "--no-fund"], cwd=folder, timeout=900)
    if code == 0:
        marker.write_text(wanted)
        report.done(f"Node.js packages of {NODE_PACKAGES}")
    else:
        report.warn(f"npm could not install {NODE_PACKAGES}, the tests that need them are skipped: {output[-300:]}")


def _is_there(sign: str) -> bool:
    return os.path.exists(sign) if sign.startswith("/") else shutil.which(sign) is not None
