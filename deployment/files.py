"""The files that are made for this machine: start scripts, the nginx site and the systemd unit."""
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

_TLS = """\
    ssl_certificate {certificates}/fullchain.pem;
    ssl_certificate_key {certificates}/privkey.pem;
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_ciphers ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:\
ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305;
    ssl_prefer_server_ciphers off;
    ssl_session_timeout 1d;
    ssl_session_cache shared:portal_tls:10m;
    ssl_session_tickets off;
"""

# Whoever asks for another name gets no answer and no certificate. It stands first: who names none, meets the first.
_STRANGERS = """\
server {{
{listen}    server_name "" ~^.+$;
{tls}    return 444;
}}

"""

_TO_HTTPS = """\
server {{
    listen 80;
    listen [::]:80;
    server_name {domain};
    location ^~ /.well-known/acme-challenge/ {{ root /var/www/html; }}
    location / {{ return 308 https://{domain}$request_uri; }}
}}

"""

_START_SH = """\
#!/usr/bin/env sh
# Starts the portal in production: gunicorn with the values of gunicorn_config.py. Options are passed on to gunicorn.
set -eu
cd "$(dirname "$0")"
exec {gunicorn} -c gunicorn_config.py wsgi:application "$@"
"""

_START_BAT = """\
@echo off\r
rem Starts the portal on Windows, where gunicorn does not run: one process with gevent's own server.\r
cd /d "%~dp0"\r
{python} app_multiuser.py %*\r
"""


def write_files(plan: Plan, report: Report, upstream: str) -> None:
    """Writes start_multiuser.sh, start_multiuser.bat, deploy/nginx.conf and deploy/insurance-portal.service.

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
    if plan.domain:
        choices["domain"] = plan.domain
    if choices != remembered(plan.root) and not report.dry_run:
        (plan.root / "deploy" / "choices.json").write_text(json.dumps(choices, indent=2) + "\n", encoding="utf-8")


def nginx_site(template: str, plan: Plan, upstream: str) -> str:
    """The site for this machine: its folder, where gunicorn listens, and for a domain its name and TLS."""
    text = _replaced(template, "/opt/insurance-portal/static/", f"{plan.app_dir.as_posix()}/static/")
    text = _replaced(text, "server 127.0.0.1:5050 ", f"server {upstream} ")
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
    text = _replaced(text, named, named + _TLS.format(certificates=(CERTIFICATES / plan.domain).as_posix()))
    strangers = _STRANGERS.format(listen=_PLAIN_LISTEN + _TLS_LISTEN, tls="    ssl_reject_handshake on;\n")
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
