"""The files that are made for this machine: start scripts, nginx site, systemd units, log rotation."""
from __future__ import annotations

import json
import re
from pathlib import Path

from deployment.plan import Plan
from deployment.report import Report

CERTIFICATES = Path("/etc/letsencrypt/live")
_APP_DIR = "/opt/insurance-portal"
_ANY_NAME = 'server_name "" ~^.+$;'
_ANY_NAME_REASON = "    # Every name, and a request without one, without taking the place of another default server.\n"
_PLAIN_LISTEN = "    listen 80;\n    listen [::]:80;\n"
_TLS_LISTEN = "    listen 443 ssl http2;\n    listen [::]:443 ssl http2;\n"

_TLS_WORDS = """\
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_ciphers ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:\
ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305;
"""

_TLS = """\
    ssl_certificate {certificates}/fullchain.pem;
    ssl_certificate_key {certificates}/privkey.pem;
{words}    ssl_prefer_server_ciphers off;
    ssl_session_timeout 1d;
    ssl_session_cache shared:portal_tls:10m;
    ssl_session_tickets off;
    # nginx says it, for its own answers too; the portal need not repeat it.
    proxy_hide_header Strict-Transport-Security;
    add_header Strict-Transport-Security $portal_hsts always;
"""

# Whoever asks for another name gets no answer and no certificate. It stands first: who names none, meets the first.
_STRANGERS = """\
server {{
{listen}    server_name "" ~^.+$;
    server_tokens off;
{tls}    return 444;
}}

"""

_TO_HTTPS = """\
server {{
    listen 80;
    listen [::]:80;
    server_name {domain};
    server_tokens off;
    location ^~ /.well-known/acme-challenge/ {{ root /var/www/html; }}
    location / {{ return 308 https://{domain}$request_uri; }}
}}

"""

_ONE_SERVER_REASON = "    # No waiting list after a failure: there is one server, and nobody else to ask.\n"
_ONE_TRY = "proxy_next_upstream error;"
_TWO_TRIES = "proxy_next_upstream error timeout;\n    proxy_next_upstream_tries 2;"

_WORKER_HEAD = """\
# Tasks in a service of their own, beside the portal's with TASK_WORKERS=0 in .env, or on another machine with the same
# DATABASE_URL, written by deploy_multiuser.py:
#   sudo cp deploy/insurance-portal-worker.service /etc/systemd/system/ && sudo systemctl daemon-reload
#   sudo systemctl enable --now insurance-portal-worker
# It runs as {user}; only some kinds of tasks: add --names 'outbox.*' to ExecStart.
"""

LOGROTATE = """\
# Days of the portal's own logs, written by deploy_multiuser.py:
#   sudo cp deploy/insurance-portal.logrotate /etc/logrotate.d/insurance-portal
# The portal notices that a file was moved and begins a new one; it rotates by size itself where this is not installed.
# nginx's logs are rotated by Debian's own /etc/logrotate.d/nginx.
{app}/logs/*.log {{
    daily
    rotate 30
    missingok
    notifempty
    nocreate
    compress
    delaycompress
    dateext
    su {user} {user}
}}
"""

_START_SH = """\
#!/usr/bin/env sh
# Starts the portal in production: gunicorn with the values of gunicorn_config.py. Options are passed on to gunicorn.
# --keep: brings it back when it was killed, where no systemd does (macOS); Ctrl-C and TERM end it.
set -eu
cd "$(dirname "$0")"
[ "${{1:-}}" = "--keep" ] || exec {gunicorn} -c gunicorn_config.py wsgi:application "$@"
shift
child=
trap 'trap "" INT TERM; [ -z "$child" ] || kill -TERM "$child" 2>/dev/null || :; wait; exit 0' INT TERM
while :; do
    {gunicorn} -c gunicorn_config.py wsgi:application "$@" &
    child=$!
    wait "$child" && exit 0
    echo "The portal ended; it is started again." >&2
    sleep 2
done
"""

_START_BAT = """\
@echo off\r
rem Starts the portal on Windows, where gunicorn does not run: one process with gevent's own server.\r
cd /d "%~dp0"\r
{python} app_multiuser.py %*\r
"""


def write_files(plan: Plan, report: Report, upstream: str) -> None:
    """Writes start_multiuser.sh and start_multiuser.bat, and into deploy/ the nginx site, units and log rotation.

    `upstream` is where gunicorn listens, as nginx writes it.
    """
    gunicorn = _from_root(plan.venv / "bin" / "gunicorn", plan)
    python = _from_root(plan.venv / "Scripts" / "python.exe", plan).replace("/", "\\")
    _write(plan.root / "start_multiuser.sh", _START_SH.format(gunicorn=f'"{gunicorn}"'), plan, report, executable=True)
    _write(plan.root / "start_multiuser.bat", _START_BAT.format(python=f'"{python}"'), plan, report)
    site = (plan.root / "nginx.conf").read_text(encoding="utf-8")
    _write(plan.root / "deploy" / "nginx.conf", nginx_site(site, plan, upstream), plan, report)
    unit = (plan.root / "insurance-portal.service").read_text(encoding="utf-8")
    _write(plan.root / "deploy" / "insurance-portal.service", systemd_unit(unit, plan), plan, report)
    _write(plan.root / "deploy" / "insurance-portal-worker.service", worker_unit(unit, plan), plan, report)
    rotation = LOGROTATE.format(app=plan.app_dir.as_posix(), user=plan.user)
    _write(plan.root / "deploy" / "insurance-portal.logrotate", rotation, plan, report)
    _remember(plan, report)
    if plan.domain and not has_certificate(plan.domain):
        report.warn(f"There is no certificate in {CERTIFICATES / plan.domain}, so deploy/nginx.conf speaks HTTP. "
                    "Install that file, get a certificate and run this again: "
                    f"sudo certbot certonly --webroot -w /var/www/html -d {plan.domain}")


def remembered(root: Path) -> dict[str, str]:
    """The choices of the run before: a later one without them must not undo what they made."""
    try:
        choices = json.loads((root / "deploy" / "choices.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {str(name): str(value) for name, value in choices.items()} if isinstance(choices, dict) else {}


def _remember(plan: Plan, report: Report) -> None:
    choices = {"app_dir": plan.app_dir.as_posix(), "user": plan.user}
    if plan.servers:
        choices["servers"] = " ".join(plan.servers)
    if plan.domain:
        choices["domain"] = plan.domain
    if choices != remembered(plan.root) and not report.dry_run:
        (plan.root / "deploy" / "choices.json").write_text(json.dumps(choices, indent=2) + "\n", encoding="utf-8")


def nginx_site(template: str, plan: Plan, upstream: str) -> str:
    """The site for this machine: its folder, where gunicorn listens, and for a domain its name and TLS."""
    text = _replaced(template, "/opt/insurance-portal/static/", f"{plan.app_dir.as_posix()}/static/")
    text = _replaced(text, f"{_ONE_SERVER_REASON}    server 127.0.0.1:5050 max_fails=0;\n", _servers(upstream, plan))
    if plan.servers:
        text = _replaced(text, _ONE_TRY, _TWO_TRIES)
    text = _without_instructions(text, plan)
    if plan.domain is None:
        return text
    text = _replaced(text, _ANY_NAME, f"server_name {plan.domain};")
    text = _replaced(text, _ANY_NAME_REASON, "")
    text = _replaced(text, "proxy_set_header Host $host;", f"proxy_set_header Host {plan.domain};")
    if not has_certificate(plan.domain):
        return _replaced(text, "\nserver {\n", "\n" + _STRANGERS.format(listen=_PLAIN_LISTEN, tls="") + "server {\n")
    text = _replaced(text, _PLAIN_LISTEN, _TLS_LISTEN)
    named = f"    server_name {plan.domain};\n"
    text = _replaced(text, named, named + _TLS.format(
        certificates=(CERTIFICATES / plan.domain).as_posix(), words=_TLS_WORDS))
    strangers = _STRANGERS.format(listen=_PLAIN_LISTEN + _TLS_LISTEN, tls=f"    ssl_reject_handshake on;\n{_TLS_WORDS}")
    return _replaced(text, "\nserver {\n", "\n" + strangers + _TO_HTTPS.format(domain=plan.domain) + "server {\n")


def systemd_unit(template: str, plan: Plan) -> str:
    """The unit for this machine: its folder and its user."""
    text = template.replace(_APP_DIR, plan.app_dir.as_posix())
    for before, after in (
        ("User=portal", f"User={plan.user}"), ("Group=portal", f"Group={plan.user}"),
        ("nologin portal", f"nologin {plan.user}"), ("-o portal -g portal", f"-o {plan.user} -g {plan.user}"),
        ('the user "portal"', f'the user "{plan.user}"'), ("group portal,", f"group {plan.user},"),
        ("sudo cp insurance-portal.service", "sudo cp deploy/insurance-portal.service"),
    ):
        text = _replaced(text, before, after)
    if plan.app_dir.is_relative_to("/home"):
        # The portal itself lies there: readable, and writable where ReadWritePaths says so.
        text = _replaced(text, "ProtectHome=yes", "ProtectHome=read-only")
    return text


def worker_unit(template: str, plan: Plan) -> str:
    """The unit of the workers: the same locks as the portal's, no pages. For a web unit with TASK_WORKERS=0."""
    whole, app = systemd_unit(template, plan), plan.app_dir.as_posix()
    text = whole[whole.index("[Unit]\n"):]
    for before, after in (
        ("Description=Insurance portal\n", "Description=Insurance portal, tasks\n"),
        ("After=network-online.target ", "After=network-online.target insurance-portal.service "),
        ("# gunicorn says itself when it is ready, and after a reload which process is the main one.\n"
         "Type=notify\nNotifyAccess=all\n", "Type=exec\n"),
        (f"ExecStart={app}/venv/bin/gunicorn -c {app}/gunicorn_config.py wsgi:application\n"
         "# A rolling restart: new processes with new code and settings take over, the old ones finish what they "
         "serve.\n"
         "ExecReload=/bin/kill -s USR2 $MAINPID\n",
         f"# What it counts, the portal's /metrics adds up.\nEnvironment=PROMETHEUS_MULTIPROC_DIR={app}/data/metrics\n"
         f"ExecStartPre=/bin/mkdir -p {app}/data/metrics\n"
         f"ExecStart={app}/venv/bin/flask --app app_multiuser work\n"),
        ("# The master first: it lets requests in flight finish (30 s), then stops the embedded database.\n",
         "# What runs ends (30 s) or is handed back.\n"),
    ):
        text = _replaced(text, before, after)
    return _WORKER_HEAD.format(user=plan.user) + text


def _servers(upstream: str, plan: Plan) -> str:
    if not plan.servers:
        return f"{_ONE_SERVER_REASON}    server {upstream} max_fails=0;\n"
    rests = "max_fails=2 fail_timeout=5s"
    return "    least_conn;\n" + "".join(f"    server {each} {rests};\n" for each in (upstream, *plan.servers))


def has_certificate(domain: str) -> bool:
    return (CERTIFICATES / domain / "fullchain.pem").exists()


def _without_instructions(text: str, plan: Plan) -> str:
    head, rest = text.split("\n\n", 1)
    if not head.startswith("# nginx in front of the portal."):
        raise ValueError("nginx.conf does not begin with its instructions")
    return (f"# nginx in front of the portal under {plan.app_dir.as_posix()}, written by deploy_multiuser.py.\n"
            "#   sudo cp deploy/nginx.conf /etc/nginx/sites-available/insurance-portal\n"
            "#   sudo ln -sf ../sites-available/insurance-portal /etc/nginx/sites-enabled/\n"
            "#   sudo nginx -t && sudo systemctl reload nginx\n\n") + rest


def _replaced(text: str, before: str, after: str) -> str:
    """Replaces something that must be there: a changed template must not leave a file half filled in."""
    if before not in text:
        raise ValueError(f"the template does not contain {before!r}")
    return text.replace(before, after)


def _write(path: Path, text: str, plan: Plan, report: Report, *, executable: bool = False) -> None:
    name = path.relative_to(plan.root).as_posix()
    if path.exists() and path.read_bytes() == text.encode() and (not executable or path.stat().st_mode & 0o100):
        report.already(name)
        return
    if report.dry_run:
        report.would(f"write {name}")
        return
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(text.encode())
    if executable:
        path.chmod(0o755)
    report.done(name)


def _from_root(path: Path, plan: Plan) -> str:
    return path.relative_to(plan.root).as_posix() if path.is_relative_to(plan.root) else path.as_posix()


def is_domain(name: str) -> bool:
    label = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
    return re.fullmatch(rf"{label}(?:\.{label})+", name) is not None
