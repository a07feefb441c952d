"""The virtual environment and the packages in it."""
from __future__ import annotations

import hashlib
import importlib.util
import platform
import re
import sys
from pathlib import Path

from deployment import system_packages
from deployment.plan import Plan
from deployment.report import Report, run

# Python 3.11 brings pip 23, which takes half a minute longer to install the same packages from its cache.
PIP = "26.3"


def make_environment(plan: Plan, report: Report) -> None:
    """Makes venv/ unless a working one is there."""
    if plan.python.exists() and run([plan.python, "-c", ""], cwd=plan.root)[0] == 0:
        report.already(f"Python environment {_short(plan.venv, plan)}")
        return
    if report.dry_run:
        report.would(f"make the Python environment {_short(plan.venv, plan)}")
        return
    if importlib.util.find_spec("ensurepip") is None:
        # Debian ships Python's own module in a package of its own.
        system_packages.install(["python3-venv"], report)
    code, output = run([sys.executable, "-m", "venv", "--clear", plan.venv], cwd=plan.root)
    if code == 0:
        # Where it cannot be had the one that is there does the same, slower.
        run([plan.python, "-m", "pip", "install", "--disable-pip-version-check", "--quiet", f"pip=={PIP}"],
            cwd=plan.root, environment=plan.environment())
        report.done(f"Python environment {_short(plan.venv, plan)} with Python {platform.python_version()}")
    else:
        report.fail(f"Python environment {_short(plan.venv, plan)}",
                    f"{output}\nOn Debian and Ubuntu: sudo apt install python3-venv")


def install_requirements(plan: Plan, report: Report, name: str) -> None:
    """Installs a requirements file, unless exactly this one was installed into this environment before."""
    marker = plan.venv / f".installed-{name}"
    wanted = fingerprint(plan.root / name)
    if marker.exists() and marker.read_text() == wanted:
        report.already(f"Packages of {name}")
        return
    if report.dry_run:
        report.would(f"install the packages of {name}")
        return
    report.say(f"    installing the packages of {name} ...")
    # Not compiled here: Python compiles what is used when it is used, which is a small part of it.
    code, output = run([plan.python, "-m", "pip", "install", "--disable-pip-version-check", "--quiet", "--no-compile",
                        "--requirement", plan.root / name], cwd=plan.root, environment=plan.environment())
    if code != 0:
        report.fail(f"Packages of {name}", f"{output}\nCheck the network and pip's configuration, then run this again.")
        return
    for file in _with_included(plan.root / name):
        (plan.venv / f".installed-{file.name}").write_text(fingerprint(file))
    report.done(f"Packages of {name}")


def fingerprint(requirements: Path) -> str:
    """A digest of the file, of the files that it includes, and of the Python version."""
    digest = hashlib.sha256(platform.python_version().encode())
    for file in _with_included(requirements):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _with_included(requirements: Path) -> list[Path]:
    files = [requirements]
    for file in files:  # grows while it is read
        included = re.findall(r"^-r\s+(\S+)", file.read_text(encoding="utf-8"), re.MULTILINE)
        files += [requirements.with_name(name) for name in included]
    return files


def _short(path: Path, plan: Plan) -> str:
    return str(path.relative_to(plan.root)) if path.is_relative_to(plan.root) else str(path)
