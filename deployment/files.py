"""The files that are made for this machine: start scripts, nginx site, systemd units, log rotation."""
from __future__ import annotations

import json
import os
import re
import shlex
from pathlib import Path

from deployment.owner import is_root
from deployment.plan import Folders, Plan
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
    ssl_certificate {certificate};
    ssl_certificate_key {key};
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
# Thirty days of the portal's own logs in place of the last 100 MB of each, written by deploy_multiuser.py:
#   LOG_FILE_MB=0 in .env, and a restart: the portal no longer puts its logs aside itself
#   sudo cp deploy/insurance-portal.logrotate /etc/logrotate.d/insurance-portal
# The portal notices that a file was moved and begins a new one. What it had put aside itself (*.log.1 to *.log.9) stays
# until somebody removes it. nginx's logs are rotated by Debian's own /etc/logrotate.d/nginx.
{logs}/*.log {{
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
numbers={data}/gunicorn.pid
lives() {{
    kill -0 "$1" 2>/dev/null || return 1
    case "$(ps -o stat= -p "$1" 2>/dev/null)" in Z*) return 1 ;; esac
}}
# After a rolling restart (USR2) the old master ends well and another one serves: it is waited for in its place.
successor() {{
    for file in "$numbers.2" "$numbers"; do
        number=$(cat "$file" 2>/dev/null) && [ -n "$number" ] && lives "$number" && echo "$number" && return
    done
    return 1
}}
end() {{
    trap "" INT TERM
    [ -z "$child" ] || kill -TERM "$child" 2>/dev/null || :
    wait
    while [ -n "$child" ] && lives "$child"; do sleep 0.2; done
    exit 0
}}
trap end INT TERM
while :; do
    {gunicorn} -c gunicorn_config.py wsgi:application "$@" &
    child=$!
    code=0
    wait "$child" || code=$?
    # Its file is renamed while it takes over, so there may be none for a moment.
    while child=$(successor || {{ sleep 1 && successor; }}); do
        while lives "$child"; do sleep 1; done
        # A master that ends as it was asked to takes its file along; one that is killed leaves it.
        code=0
        [ ! -e "$numbers" ] || code=1
    done
    [ "$code" -ne 0 ] || exit 0
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


def write_files(plan: Plan, report: Report, upstream: str, folders: Folders) -> None:
    """Writes start_multiuser.sh and start_multiuser.bat, and into deploy/ the nginx site, units and log rotation.

    `upstream` is where gunicorn listens, as nginx writes it; `folders` are where the portal writes on this machine.
    """
    gunicorn = _from_root(plan.venv / "bin" / "gunicorn", plan)
    python = _from_root(plan.venv / "Scripts" / "python.exe", plan).replace("/", "\\")
    script = _START_SH.format(gunicorn=f'"{gunicorn}"', data=shlex.quote(_from_root(folders.data, plan)))
    _write(plan.root / "start_multiuser.sh", script, plan, report, executable=True)
    _write(plan.root / "start_multiuser.bat", _START_BAT.format(python=f'"{python}"'), plan, report)
    _write_site(plan, report, upstream)
    there = folders.moved(plan.root, plan.app_dir)
    unit = (plan.root / "insurance-portal.service").read_text(encoding="utf-8")
    _write(plan.root / "deploy" / "insurance-portal.service", systemd_unit(unit, plan, there), plan, report)
    _write(plan.root / "deploy" / "insurance-portal-worker.service", worker_unit(unit, plan, there), plan, report)
    _write(plan.root / "deploy" / "insurance-portal.logrotate", log_rotation(plan, there), plan, report)
    _remember(plan, report)


def _write_site(plan: Plan, report: Report, upstream: str) -> None:
    """Once a site speaks HTTPS, a user who may not look whether the certificate is there leaves it at that."""
    path = plan.root / "deploy" / "nginx.conf"
    found = has_certificate(plan.domain) if plan.domain else False
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    secure = found if found is not None else f"ssl_certificate {_certificate(plan.domain or '')};" in before
    template = (plan.root / "nginx.conf").read_text(encoding="utf-8")
    _write(path, nginx_site(template, plan, upstream, secure=secure), plan, report)
    if plan.domain is None or secure:
        return
    if found is None:
        report.warn(f"This user may not look into {CERTIFICATES}, so deploy/nginx.conf speaks HTTP. Is there a "
                    f"certificate for {plan.domain}? Then run this once as root: sudo python3 deploy_multiuser.py")
    else:
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
        path = plan.root / "deploy" / "choices.json"
        path.write_text(json.dumps(choices, indent=2) + "\n", encoding="utf-8")
        _give_to_the_folders_owner(path)


def nginx_site(template: str, plan: Plan, upstream: str, *, secure: bool) -> str:
    """The site for this machine: its folder, where gunicorn listens, and for a domain its name and, `secure`, TLS."""
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
    if not secure:
        return _replaced(text, "\nserver {\n", "\n" + _STRANGERS.format(listen=_PLAIN_LISTEN, tls="") + "server {\n")
    text = _replaced(text, _PLAIN_LISTEN, _TLS_LISTEN)
    named = f"    server_name {plan.domain};\n"
    text = _replaced(text, named, named + _TLS.format(
        certificate=_certificate(plan.domain), key=_certificate(plan.domain, "privkey.pem"), words=_TLS_WORDS))
    strangers = _STRANGERS.format(listen=_PLAIN_LISTEN + _TLS_LISTEN, tls=f"    ssl_reject_handshake on;\n{_TLS_WORDS}")
    return _replaced(text, "\nserver {\n", "\n" + strangers + _TO_HTTPS.format(domain=plan.domain) + "server {\n")


def systemd_unit(template: str, plan: Plan, folders: Folders) -> str:
    """The unit for this machine: its folder, its user and the folders that it may write to."""
    text, usual = _replaced(template, _APP_DIR, plan.app_dir.as_posix()), Folders.under(plan.app_dir)
    data, logs, backups = map(_for_systemd, (folders.data, folders.logs, folders.backups))
    text = _replaced(text, f"{usual.data} {usual.logs} -{usual.backups}\n", f"{data} {logs} -{backups}\n")
    text = _replaced(text, f"{usual.data} {usual.logs} {usual.backups}\n",
                     shlex.join(map(str, (folders.data, folders.logs, folders.backups))) + "\n")
    for before, after in (
        ("User=portal", f"User={plan.user}"), ("Group=portal", f"Group={plan.user}"),
        ("nologin portal", f"nologin {plan.user}"), ("-o portal -g portal", f"-o {plan.user} -g {plan.user}"),
        ('the user "portal"', f'the user "{plan.user}"'), ("group portal,", f"group {plan.user},"),
        ("sudo cp insurance-portal.service", "sudo cp deploy/insurance-portal.service"),
    ):
        text = _replaced(text, before, after)
    if any(each.is_relative_to("/home") for each in (plan.app_dir, folders.data, folders.logs, folders.backups)):
        # Something of the portal lies there: readable, and writable where ReadWritePaths says so.
        text = _replaced(text, "ProtectHome=yes", "ProtectHome=read-only")
    return text


def worker_unit(template: str, plan: Plan, folders: Folders) -> str:
    """The unit of the workers: the same locks as the portal's, no pages. For a web unit with TASK_WORKERS=0."""
    whole, app = systemd_unit(template, plan, folders), plan.app_dir.as_posix()
    counts = folders.data / "metrics"
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
         "# What it counts, the portal's /metrics adds up.\n"
         f"Environment={_for_systemd(f'PROMETHEUS_MULTIPROC_DIR={counts}')}\n"
         f"ExecStartPre=/bin/mkdir -p {_for_systemd(counts)}\n"
         f"ExecStart={app}/venv/bin/flask --app app_multiuser work\n"),
        ("# The master first: it lets requests in flight finish (30 s), then stops the embedded database.\n",
         "# What runs ends (30 s) or is handed back.\n"),
        # The folder would go with the workers, under the portal that listens there.
        ("# For a socket in place of a port: WEB_BIND=unix:/run/insurance-portal/web.sock\n"
         "RuntimeDirectory=insurance-portal\n", ""),
    ):
        text = _replaced(text, before, after)
    return _WORKER_HEAD.format(user=plan.user) + text


def log_rotation(plan: Plan, folders: Folders) -> str:
    """The rules for logrotate, of which a path with spaces stands in quotes."""
    logs = f'"{folders.logs}"' if " " in str(folders.logs) else str(folders.logs)
    return LOGROTATE.format(logs=logs, user=plan.user)


def _for_systemd(word: str | Path) -> str:
    """A word as a unit has it: no specifier, and in one piece whatever is in it."""
    text = str(word).replace("%", "%%")
    if re.search(r"[\s\"'\\]", text) is None:
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _servers(upstream: str, plan: Plan) -> str:
    if not plan.servers:
        return f"{_ONE_SERVER_REASON}    server {upstream} max_fails=0;\n"
    rests = "max_fails=2 fail_timeout=5s"
    return "    least_conn;\n" + "".join(f"    server {each} {rests};\n" for each in (upstream, *plan.servers))


def has_certificate(domain: str) -> bool | None:
    """Whether certbot's certificate is there; None where that is root's to know."""
    try:
        os.stat(_certificate(domain))
    except PermissionError:
        return None
    except OSError:
        return False
    return True


def _certificate(domain: str, name: str = "fullchain.pem") -> str:
    return (CERTIFICATES / domain / name).as_posix()


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
    _give_to_the_folders_owner(path.parent)
    _give_to_the_folders_owner(path)
    report.done(name)


def _give_to_the_folders_owner(path: Path) -> None:
    """What root writes once, for the certificate's sake, the portal's user can write again."""
    if is_root() and (owner := path.parent.stat()).st_uid != 0:
        os.chown(path, owner.st_uid, owner.st_gid)


def _from_root(path: Path, plan: Plan) -> str:
    return path.relative_to(plan.root).as_posix() if path.is_relative_to(plan.root) else path.as_posix()


def is_domain(name: str) -> bool:
    label = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
    return re.fullmatch(rf"{label}(?:\.{label})+", name) is not None
