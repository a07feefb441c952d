"""Sets the portal up, tests it, runs it: on a fresh machine with Python 3.11 and nothing else.

    python3 deploy_multiuser.py --start [--demo]     set up what is missing and run the portal
    python3 deploy_multiuser.py                      set up only
    python3 deploy_multiuser.py --check              look, change nothing
    python3 deploy_multiuser.py --upgrade [--to v2]  backup, newer code, migrations, reload without a pause
    python3 deploy_multiuser.py --test               install what the tests need and run all of them

Every step can be repeated: what is right already stays as it is.
"""
from __future__ import annotations

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - here an older one is met, and told so before it meets newer syntax
    sys.exit("The portal needs Python 3.11 or newer; this is " + sys.version.split()[0])

import argparse
import json
import platform
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from deployment import checks, environment, files, precompress, serving, system_packages, upgrading
from deployment.owner import Owner, another_owner, is_root
from deployment.plan import ROOT, Folders, Plan
from deployment.report import Report, run

REQUIREMENTS = "requirements_production.txt"
TEST_REQUIREMENTS = "requirements_test.txt"


def main(arguments: list[str]) -> int:
    options = _options(arguments)
    before = files.remembered(ROOT)
    plan = Plan(root=ROOT, venv=options.venv or ROOT / "venv", port=options.port,
                app_dir=options.app_dir or Path(before.get("app_dir", ROOT)),
                domain=options.domain or before.get("domain"), user=options.user or before.get("user", "portal"),
                servers=tuple(options.servers or before.get("servers", "").split()))
    report = Report(dry_run=options.dry_run)
    if options.test:
        return test(plan, report, options.pytest)
    if options.check:
        return check(plan, report)
    if options.upgrade:
        return upgrading.upgrade(plan, report, version=options.to, options=_kept_options(options))
    if options.reload:
        return upgrading.reload(plan, report)
    found = set_up(plan, report)
    if report.failed:
        report.title("Not ready. Follow the lines marked ✗ and run this again.")
        return 1
    if not options.start or options.dry_run or found is None:
        report.title("Ready: python3 deploy_multiuser.py --start, or ./start_multiuser.sh")
        if found is not None and (sentence := _wrong_address(plan, found)):
            report.say(f"But first: {sentence}")
        return 0
    report.title("Start")
    if found["owner"]:
        report.fail(f"The data belong to {found['owner']}.",
                    f"Start it as that user: sudo -u {found['owner']} python3 deploy_multiuser.py --start")
        return 1
    address = found["address"] if plan.domain else _local_address(found)
    demo = _demo_options(options) if options.demo else None
    return serving.serve(plan, report, bind=found["web_bind"], address=address, demo=demo)


def set_up(plan: Plan, report: Report) -> dict[str, Any] | None:
    """Environment, packages, configuration, services, files. Answers the configuration that was found."""
    report.title("Environment")
    report.already(f"Python {platform.python_version()}")
    environment.make_environment(plan, report)
    if not report.failed:
        environment.install_requirements(plan, report, REQUIREMENTS)
    if report.failed:
        return None
    found = inspect(plan, report, look=report.dry_run)
    if found is not None and not report.failed:
        report.title("Files for this machine")
        folders = Folders(Path(found["data_dir"]), Path(found["log_dir"]), Path(found["backup_dir"]))
        files.write_files(plan, report, _upstream(found["web_bind"]), folders)
        precompress.pack_static_files(plan, report)
    return found


def check(plan: Plan, report: Report) -> int:
    """Looks at everything and changes nothing; 1 if something required is wrong."""
    report.title("Environment")
    report.already(f"Python {platform.python_version()}")
    cure = "Run: python3 deploy_multiuser.py"
    marker = plan.venv / f".installed-{REQUIREMENTS}"
    if not plan.python.exists():
        report.fail(f"There is no Python environment in {plan.venv}.", cure)
        return 1
    if not marker.exists() or marker.read_text() != environment.fingerprint(plan.root / REQUIREMENTS):
        report.fail(f"The packages are not those of {REQUIREMENTS}.", cure)
        return 1
    report.already(f"Packages of {REQUIREMENTS}")
    inspect(plan, report, look=True)
    return 1 if report.failed else 0


def inspect(plan: Plan, report: Report, *, look: bool) -> dict[str, Any] | None:
    """Checks the settings and talks to the services; answers where the portal will be, or None."""
    report.title("Configuration and services")
    if not plan.python.exists():
        report.would("check the configuration and the services")
        return None
    owner = _owner_of_the_data(plan)
    code, output = run([plan.python, "-m", "deployment.inspection", *(["--look"] if look else [])], cwd=plan.root,
                       environment=plan.environment(), timeout=180, owner=owner)
    try:
        found: dict[str, Any] = json.loads(output.splitlines()[-1])
    except (ValueError, IndexError):
        report.fail(f"The configuration could not be checked (code {code}).", output)
        return None
    found["owner"] = owner.name if owner else ""
    for problem in found.get("problems", []):
        report.fail(problem)
    if "problems" in found:
        return None
    report.done("Settings")
    wrong = _wrong_address(plan, found)
    for sentence in [*found["advice"], *([wrong] if wrong else [])]:
        report.warn(sentence)
    for service in found["services"]:
        line = f"{service['name']}: {service['text']}"
        if service["state"] == "failed":
            report.fail(line, service["cure"])
        elif service["state"] == "unused":
            report.warn(line)
        else:
            report.done(line)
    return found


def _owner_of_the_data(plan: Plan) -> Owner | None:
    """As whom root looks at the services, so that what is made on the way belongs to the portal's user."""
    if not is_root():
        return None
    code, output = run([plan.python, "-m", "deployment.inspection", "--where"], cwd=plan.root,
                       environment=plan.environment(), timeout=60)
    return another_owner(Path(json.loads(output.splitlines()[-1])["data_dir"])) if code == 0 else None


def _wrong_address(plan: Plan, found: dict[str, Any]) -> str:
    """What to write where the settings do not know the name that nginx serves; "" where they do."""
    if plan.domain is None or urlsplit(found["address"]).hostname == plan.domain:
        return ""
    return (f"APP_BASE_URL is {found['address']}, so that every page of {plan.domain} is refused (400): write "
            f"APP_BASE_URL=https://{plan.domain} into .env and restart the portal.")


def test(plan: Plan, report: Report, pytest_options: list[str]) -> int:
    """Installs what the tests need, then runs ruff, mypy and pytest, each to its end. Answers the worst exit code."""
    report.title("What the tests need")
    environment.make_environment(plan, report)
    if not report.failed:
        environment.install_requirements(plan, report, TEST_REQUIREMENTS)
    if report.failed:
        return 1
    system_packages.install_for_tests(report)
    system_packages.install_node_packages(plan, report)
    worst = checks.run_checks(plan, report, pytest_options)
    report.title("All checks passed." if worst == 0 else "Something failed, see above.")
    return worst


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--start", action="store_true", help="set up what is missing, then run the portal")
    what.add_argument("--check", action="store_true", help="check the environment, the settings and the services only")
    what.add_argument("--upgrade", action="store_true", help="bring in a newer version while the portal serves")
    what.add_argument("--reload", action="store_true", help="let the running portal begin anew with the code and .env")
    what.add_argument("--test", action="store_true", help="install what the tests need and run them all")
    parser.add_argument("--demo", action="store_true", help="with --start: fill an empty portal with a made-up agency")
    parser.add_argument("--demo-clients", type=int, metavar="N", help="how many clients the made-up agency has")
    parser.add_argument("--to", type=_version, metavar="VERSION", help="with --upgrade: this tag or commit")
    parser.add_argument("--port", type=_port, help="TCP port instead of the setting PORT (5050)")
    parser.add_argument("--domain", type=_domain, help="name in deploy/nginx.conf; remembered, as are these three:")
    parser.add_argument("--app-dir", type=_folder, help="where the portal lies on the server, for the generated files")
    parser.add_argument("--user", type=_user, help="whom the systemd unit runs as (portal)")
    parser.add_argument("--server", dest="servers", action="append", type=_server, metavar="HOST:PORT",
                        help="another machine with the portal, for nginx; may be given several times")
    parser.add_argument("--venv", type=lambda text: Path(text).absolute(), help="this Python environment, not venv/")
    parser.add_argument("--dry-run", action="store_true", help="say what would be done")
    parser.add_argument("pytest", nargs="*", metavar="-- OPTIONS", help="with --test: options for pytest")
    options = parser.parse_args(arguments)
    if options.pytest and not options.test:
        parser.error(f"unknown: {' '.join(options.pytest)}")
    return options


def _kept_options(options: argparse.Namespace) -> list[str]:
    return [*(["--venv", str(options.venv)] if options.venv else []),
            *(["--port", str(options.port)] if options.port else [])]


def _version(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,99}", text):
        raise argparse.ArgumentTypeError("write a tag or a commit")
    return text


def _port(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise argparse.ArgumentTypeError("write a number from 1 to 65535")
    return int(text)


def _domain(text: str) -> str:
    if not files.is_domain(text.lower()):
        raise argparse.ArgumentTypeError("write a name like portal.example.com, without https:// and without a path")
    return text.lower()


def _folder(text: str) -> Path:
    if not re.fullmatch(r"/[A-Za-z0-9._/-]+", text):
        raise argparse.ArgumentTypeError("write an absolute path of letters, digits and . _ - /")
    return Path(text)


def _server(text: str) -> str:
    host, _, port = text.rpartition(":")
    if not re.fullmatch(r"[A-Za-z0-9.-]{1,253}|\[[0-9a-fA-F:]+\]", host) or not port.isdecimal():
        raise argparse.ArgumentTypeError("write HOST:PORT, for example 10.0.0.12:5050")
    return f"{host}:{_port(port)}"


def _user(text: str) -> str:
    if not re.fullmatch(r"[a-z_][a-z0-9_-]{0,31}", text):
        raise argparse.ArgumentTypeError("write the name of a system user")
    return text


def _demo_options(options: argparse.Namespace) -> list[str]:
    return [] if options.demo_clients is None else ["--clients", str(options.demo_clients)]


def _upstream(bind: str) -> str:
    """Where gunicorn listens, as nginx writes it: an address of every interface is reached on this machine."""
    return bind.replace("0.0.0.0:", "127.0.0.1:") if not bind.startswith("unix:") else bind


def _local_address(found: dict[str, Any]) -> str:
    address: str = found["address"]
    return address if found["web_bind"].startswith("unix:") else f"http://localhost:{found['web_bind'].rpartition(':')[2]}"


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit("\nStopped. Run it again to go on.")
