"""Settings: what starts the portal, what stops it, and what the operator reads then."""

import base64
import dataclasses
import ipaddress
import json
import os
import pathlib
import re
import secrets
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

import config
from config import ConfigurationError, Settings, load_settings
from setting_values import GROUPS

ROOT = pathlib.Path(__file__).resolve().parents[1]
GOOD_KEY = secrets.token_hex(32)
# The names that the operators' guide and the contract promise.
PROMISED = """
    SUPABASE_URL SUPABASE_KEY CLERK_SECRET_KEY CLERK_PUBLISHABLE_KEY CLERK_FRONTEND_API GOOGLE_CREDENTIALS_FILE
    ROOT_FOLDER_ID TWILIO_ACCOUNT_SID TWILIO_AUTH_TOKEN TWILIO_WHATSAPP_FROM REDIS_URL WHATSAPP_TOKEN WHATSAPP_PHONE_ID
    VERIFY_TOKEN FLASK_ENV SECRET_KEY PORT APP_BASE_URL DATABASE_URL DATABASE_REPLICA_URL DATA_DIR LOG_DIR SMTP_HOST
    SMTP_PORT SMTP_USERNAME SMTP_PASSWORD SMTP_FROM SMTP_TLS CLERK_JWT_KEY CLERK_WEBHOOK_SECRET CLERK_AUTHORIZED_PARTIES
    WHATSAPP_APP_SECRET TWILIO_MESSAGING_SERVICE_SID TWILIO_API_BASE_URL WHATSAPP_API_BASE_URL GOOGLE_API_BASE_URL
    METRICS_TOKEN TASK_WORKERS TASK_BROKER_URL ADMIN_EMAILS TRUSTED_PROXIES DATA_ENCRYPTION_KEY DB_POOL_SIZE
    DB_MAX_OVERFLOW FILE_WORKERS WEB_CONCURRENCY
""".split()  # noqa: SIM905 - a list of names reads as words
PUBLIC_KEY = next(
    str(setting.parse(setting.example)) for setting in config.TABLE if setting.name == "CLERK_JWT_KEY")
COMPLETE = {
    "supabase": {"SUPABASE_URL": "https://abc.supabase.co", "SUPABASE_KEY": "sb_secret_0123456789"},
    "clerk": {
        "CLERK_SECRET_KEY": "sk_test_1",
        "CLERK_PUBLISHABLE_KEY": "pk_test_Y2xlcmsuZXhhbXBsZS5jb20k",
        "CLERK_FRONTEND_API": "clerk.example.com",
    },
    "drive": {"GOOGLE_CREDENTIALS_FILE": str(ROOT / "pyproject.toml"), "ROOT_FOLDER_ID": "1AbC"},
    "twilio": {"TWILIO_ACCOUNT_SID": "AC1", "TWILIO_AUTH_TOKEN": "t", "TWILIO_WHATSAPP_FROM": "whatsapp:+14155238886"},
    "meta": {"WHATSAPP_TOKEN": "t", "WHATSAPP_PHONE_ID": "1", "VERIFY_TOKEN": "v"},
    "smtp": {"SMTP_HOST": "smtp.example.com", "SMTP_FROM": "office@example.com"},
}


@pytest.fixture
def load(tmp_path):
    """load(PORT="1") reads settings from these names alone, with folders under a temporary one."""

    def read(env_file=None, **environ):
        return load_settings(
            {"DATA_DIR": str(tmp_path / "data"), "LOG_DIR": str(tmp_path / "logs"), **environ}, env_file
        )

    return read


@pytest.fixture
def problems(load):
    """problems(PORT="x") answers the lines that stop the start."""

    def read(env_file=None, **environ):
        with pytest.raises(ConfigurationError) as caught:
            load(env_file, **environ)
        assert str(caught.value) == "\n".join(caught.value.problems)
        assert all("\n" not in line for line in caught.value.problems)
        return caught.value.problems

    return read


def test_every_promised_setting_exists_as_an_attribute_in_small_letters(load):
    chosen = load()
    assert {name for name in PROMISED if not hasattr(chosen, name.lower())} == set()
    assert set(PROMISED) <= {setting.name for setting in config.TABLE}


def test_with_nothing_configured_the_defaults_run_the_portal(load, tmp_path):
    chosen = load()
    assert (chosen.port, chosen.web_bind, chosen.app_base_url) == (5050, "127.0.0.1:5050", "http://localhost:5050")
    assert (chosen.db_pool_size, chosen.db_max_overflow, chosen.task_workers, chosen.file_workers) == (15, 30, 15, 10)
    assert chosen.web_concurrency == min(len(os.sched_getaffinity(0)) * 2 + 1, 17)
    assert chosen.trusted_proxies == (ipaddress.ip_network("127.0.0.1"), ipaddress.ip_network("::1"))
    assert not chosen.production
    assert not any(chosen.uses(group) for group in GROUPS)
    assert (chosen.data_dir, chosen.log_dir) == (tmp_path / "data", tmp_path / "logs")


def test_relative_folders_count_from_the_portal_and_not_from_the_current_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    chosen = load_settings({}, make_secret_key=False)
    assert (chosen.data_dir, chosen.log_dir) == (ROOT / "data", ROOT / "logs")


def test_the_environment_wins_over_the_file_and_an_empty_value_is_none(load, tmp_path):
    env_file = tmp_path / ".env"
    env_file.write_text("PORT=6001\nTASK_WORKERS=3\nREDIS_URL=\nSMTP_HOST=\n")
    chosen = load(env_file, PORT="6002", FILE_WORKERS="  ")
    assert (chosen.port, chosen.task_workers, chosen.file_workers, chosen.redis_url) == (6002, 3, 10, None)


def test_a_dollar_in_the_file_stays_a_dollar(load, tmp_path):
    env_file = tmp_path / ".env"
    env_file.write_text("SECRET_KEY='a$HOME${PATH}b'\n")
    assert load(env_file).secret_key == "a$HOME${PATH}b"


def test_values_come_typed(load):
    chosen = load(
        ADMIN_EMAILS="Asha@Example.com, ravi@example.com",
        TRUSTED_PROXIES="10.0.0.0/8",
        APP_BASE_URL="https://p.example.com/",
        SUPABASE_URL="https://abc.supabase.co/",
        SUPABASE_KEY="sb_secret_x",
        SMTP_HOST="h",
        SMTP_FROM="a@b.in",
        SMTP_TLS="true",
        CLERK_JWT_KEY=PUBLIC_KEY.replace("\n", "\\n"),
        **COMPLETE["clerk"],
        **COMPLETE["twilio"] | {"TWILIO_WHATSAPP_FROM": "+1 415 523 8886"},
    )
    assert chosen.admin_emails == ("asha@example.com", "ravi@example.com")
    assert chosen.trusted_proxies == (ipaddress.ip_network("10.0.0.0/8"),)
    assert (chosen.app_base_url, chosen.supabase_url) == ("https://p.example.com", "https://abc.supabase.co")
    assert (chosen.smtp_port, chosen.smtp_tls) == (587, "starttls")
    assert (chosen.clerk_frontend_api, chosen.twilio_whatsapp_from) == (
        "https://clerk.example.com",
        "whatsapp:+14155238886",
    )
    assert chosen.clerk_jwt_key == PUBLIC_KEY


@pytest.mark.parametrize("group", COMPLETE)
def test_a_complete_group_is_used_and_a_half_set_one_stops_the_start_with_a_line_per_missing_name(
    group, load, problems
):
    assert load(**COMPLETE[group]).uses(group)
    for name in COMPLETE[group]:
        alone = problems(**{name: COMPLETE[group][name]})
        missing = set(COMPLETE[group]) - {name}
        assert {line.split(":")[0] for line in alone} == missing
        assert all(f"missing, because {name} is set. Write, for example, " in line for line in alone)


@pytest.mark.parametrize(
    ("given_", "named"),
    [
        ({"DATABASE_REPLICA_URL": "postgresql://h/d"}, ["DATABASE_URL"]),
        ({"SMTP_PASSWORD": "x", **COMPLETE["smtp"]}, ["SMTP_USERNAME"]),
        ({"SMTP_USERNAME": "x", **COMPLETE["smtp"]}, ["SMTP_PASSWORD"]),
        ({"WHATSAPP_APP_SECRET": "x"}, ["WHATSAPP_TOKEN", "WHATSAPP_PHONE_ID", "VERIFY_TOKEN"]),
        (
            {"TWILIO_API_BASE_URL": "http://localhost:1"},
            ["TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN", "TWILIO_WHATSAPP_FROM"],
        ),
    ],
)
def test_what_only_makes_sense_together_is_asked_for_together(given_, named, problems):
    assert [line.split(":")[0] for line in problems(**given_)] == named


def test_two_databases_are_one_too_many(problems):
    lines = problems(DATABASE_URL="postgresql://u:geheim@h/d", **COMPLETE["supabase"])
    assert len(lines) == 1
    assert lines[0].startswith("DATABASE_URL: ")
    assert "Choose one" in lines[0]
    assert "geheim" not in lines[0]


@pytest.mark.parametrize(
    ("name", "value", "cure"),
    [
        ("PORT", "0", "whole number from 1 to 65535"),
        ("PORT", "65536", "whole number"),
        ("PORT", "5050.0", "whole number"),
        ("PORT", "٥٠٥٠", "whole number"),
        ("PORT", "-1", "whole number"),
        ("PORT", "1e3", "whole number"),
        ("DB_POOL_SIZE", "0", "from 1 to"),
        ("DB_MAX_OVERFLOW", "-1", "from 0 to"),
        ("TASK_WORKERS", "many", "from 0 to"),
        ("WEB_CONCURRENCY", "0", "from 1 to"),
        ("FLASK_ENV", "prod", "development, production, testing"),
        ("APP_BASE_URL", "portal.example.com", "https://portal.example.com"),
        ("APP_BASE_URL", "ftp://portal.example.com", "https://"),
        ("APP_BASE_URL", "https://portal.example.com/app", "nothing behind the host name"),
        ("APP_BASE_URL", "https://portal.example.com?x=1", "nothing behind the host name"),
        ("APP_BASE_URL", "https://u:p@portal.example.com", "https://portal.example.com"),
        ("APP_BASE_URL", "https://", "https://"),
        ("APP_BASE_URL", "https://a b", "https://"),
        ("APP_BASE_URL", "https://h:99999", "https://"),
        ("DATABASE_URL", "mysql://h/d", "postgresql://"),
        ("DATABASE_URL", "host=localhost dbname=x", "postgresql://"),
        ("REDIS_URL", "localhost:6379", "redis://localhost"),
        ("TASK_BROKER_URL", "http://h", "amqp://"),
        ("ADMIN_EMAILS", "asha", "asha@example.com"),
        ("TRUSTED_PROXIES", "nginx", "127.0.0.1"),
        ("DATA_ENCRYPTION_KEY", "short", "32 random bytes"),
        ("GOOGLE_CREDENTIALS_FILE", "/nowhere.json", "existing file"),
        ("SMTP_TLS", "maybe", "starttls"),
        ("SMTP_FROM", "office", "asha@example.com"),
        ("CLERK_SECRET_KEY", "pk_test_1", "sk_"),
        ("CLERK_PUBLISHABLE_KEY", "sk_test_1", "pk_"),
        ("CLERK_PUBLISHABLE_KEY", "pk_live_your-key", "whole"),
        ("CLERK_JWT_KEY", "x", "PEM"),
        ("CLERK_JWT_KEY", "-----BEGIN PUBLIC KEY----- AAAA -----END PUBLIC KEY-----", "whole"),
        ("TWILIO_ACCOUNT_SID", "SK1", "AC"),
        ("TWILIO_WHATSAPP_FROM", "whatsapp:98765", "+14155238886"),
        ("SUPABASE_KEY", "sb_publishable_abc", "public key"),
        (
            "SUPABASE_KEY",
            f"e30.{base64.urlsafe_b64encode(json.dumps({'role': 'anon'}).encode()).decode().rstrip('=')}.x",
            "public key",
        ),
        ("SUPABASE_KEY", "a.!.b", "secret key"),
    ],
)
def test_a_bad_value_is_named_with_what_to_write(name, value, cure, problems):
    line = next(
        line
        for line in problems(**{name: value})
        if line.startswith((f"{name}: write", f"{name}: this"))
    )
    assert cure in line


def test_all_problems_come_at_once_and_no_secret_is_among_them(problems):
    lines = problems(
        PORT="x",
        DB_POOL_SIZE="y",
        TWILIO_AUTH_TOKEN="geheim-1",
        DATABASE_URL="mysql://u:geheim-2@h/d",
        SUPABASE_KEY="sb_publishable_geheim-3",
        CLERK_SECRET_KEY="geheim-4",
        DATA_ENCRYPTION_KEY="geheim-5",
        FLASK_ENV="production",
        SECRET_KEY="geheim-6",
        GOOGLE_API_BASE_URL="http://u:geheim-7@h",
    )
    named = {line.split(":")[0] for line in lines}
    assert named >= {
        "PORT",
        "DB_POOL_SIZE",
        "TWILIO_ACCOUNT_SID",
        "DATABASE_URL",
        "SUPABASE_KEY",
        "SUPABASE_URL",
        "CLERK_SECRET_KEY",
        "DATA_ENCRYPTION_KEY",
        "SECRET_KEY",
        "GOOGLE_API_BASE_URL",
    }
    assert "geheim" not in "\n".join(lines)


@pytest.mark.parametrize(
    "key",
    [
        "",
        "x" * 31,
        "x" * 64,
        "change-me-to-the-output-of-the-command-above",
        "change-me-change-me-change-me-change-me",
        "your-secret-key-goes-here-0123456789",
        "this-is-only-an-EXAMPLE-of-a-long-key",
    ],
)
def test_production_needs_a_secret_key_that_nobody_else_knows(key, problems):
    lines = problems(FLASK_ENV="production", SECRET_KEY=key)
    assert [line.split(":")[0] for line in lines] == ["SECRET_KEY"]
    assert "token_hex(32)" in lines[0]
    assert not key or key not in lines[0]


def test_production_starts_with_a_random_key(load, tmp_path):
    assert load(FLASK_ENV="production", SECRET_KEY=GOOD_KEY).production
    assert not (tmp_path / "data").exists()


def test_outside_production_a_key_is_made_once_and_shared(load, tmp_path):
    with ThreadPoolExecutor(16) as pool:
        keys = {chosen.secret_key for chosen in pool.map(lambda _: load(), range(48))}
    kept = tmp_path / "data" / "secret_key"
    assert keys == {kept.read_text()}
    assert len(kept.read_text()) == 64
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert [path.name for path in kept.parent.iterdir()] == ["secret_key"]


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match=r"^DATA_DIR: the portal cannot write to .*/file/data"):
        load_settings({"DATA_DIR": str(tmp_path / "file" / "data")})


def test_a_misspelt_name_in_the_file_is_told_and_a_foreign_one_is_not(tmp_path, problems, load):
    env_file = tmp_path / ".env"
    env_file.write_text("TWILIO_AUTH_TOKN=x\nPGHOST=h\nCOMPOSE_PROJECT_NAME=p\n")
    assert problems(env_file) == ["TWILIO_AUTH_TOKN: there is no such setting; write TWILIO_AUTH_TOKEN in .env."]
    env_file.write_text("PGHOST=h\nCOMPOSE_PROJECT_NAME=p\n")
    load(env_file)


def test_neither_repr_nor_str_shows_a_secret(load):
    chosen = load(
        SECRET_KEY="geheim-1",
        DATABASE_URL="postgresql://u:geheim-2@h/d",
        REDIS_URL="redis://:geheim-3@h",
        METRICS_TOKEN="geheim-4",
        **COMPLETE["twilio"] | {"TWILIO_AUTH_TOKEN": "geheim-5"},
        **COMPLETE["meta"] | {"VERIFY_TOKEN": "geheim-6"},
    )
    shown = f"{chosen!r} {chosen} {[chosen]}"
    assert "geheim" not in shown
    assert "port=5050" in shown
    assert "secret_key=***" in shown


def test_settings_cannot_be_changed_afterwards(load):
    with pytest.raises(dataclasses.FrozenInstanceError):
        load().port = 1


def test_what_is_allowed_but_odd_is_said(load):
    assert config.advice(load()) == []
    assert any("WHATSAPP_APP_SECRET" in line for line in config.advice(load(**COMPLETE["meta"])))
    assert any("APP_BASE_URL" in line for line in config.advice(load(FLASK_ENV="production", SECRET_KEY=GOOD_KEY)))
    assert config.advice(load(FLASK_ENV="production", SECRET_KEY=GOOD_KEY, APP_BASE_URL="https://p.example.com")) == []


def test_the_process_reads_its_settings_once(tmp_path, monkeypatch):
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    monkeypatch.setattr(config, "_current", None)
    monkeypatch.setattr(config, "ENV_FILE", tmp_path / "absent")
    monkeypatch.setenv("PORT", "6003")
    first = config.settings()
    monkeypatch.setenv("PORT", "6004")
    assert config.settings() is first
    assert first.port == 6003
    config.use_settings(None)
    assert config.settings().port == 6004


def test_the_example_file_is_what_the_table_says():
    assert (ROOT / ".env.example").read_text() == config.example_file(), "run: python config.py > .env.example"


def test_the_example_file_names_every_setting_once_with_an_explanation():
    lines = config.example_file().splitlines()
    assert [line[1:].split("=")[0] for line in lines if re.match(r"#[A-Z]", line)] == [
        setting.name for group in GROUPS for setting in config.TABLE if setting.group == group
    ]
    assert all(len(setting.explanation) > 3 and setting.example for setting in config.TABLE)


def test_the_example_file_copied_as_it_is_changes_nothing(load):
    assert load(ROOT / ".env.example") == load()


def test_every_example_can_be_written_as_it_stands(load, tmp_path):
    env_file = tmp_path / ".env"
    skipped = ("FLASK_ENV", "GOOGLE_CREDENTIALS_FILE", "DATABASE_URL", "DATABASE_REPLICA_URL")
    examples = [f"{setting.name}={setting.example}" for setting in config.TABLE if setting.name not in skipped]
    env_file.write_text("\n".join([*examples, f"GOOGLE_CREDENTIALS_FILE={ROOT / 'pyproject.toml'}"]))
    chosen = load(env_file)
    assert all(chosen.uses(group) for group in ("supabase", "redis", "clerk", "drive", "twilio", "meta", "smtp"))
    assert load(DATABASE_URL="postgresql://portal:password@localhost:5432/portal").database_url


@given(
    st.dictionaries(
        st.sampled_from([setting.name for setting in config.TABLE if setting.name not in ("DATA_DIR", "LOG_DIR")]),
        st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=60),
        max_size=6,
    )
)
def test_whatever_is_written_the_answer_is_settings_or_a_sentence(environ):
    try:
        assert isinstance(load_settings(environ, make_secret_key=False), Settings)
    except ConfigurationError as error:
        assert all(re.match(r"[A-Z_]+: ", line) for line in error.problems)


def test_importing_reads_nothing_and_the_command_tells_what_is_wrong(tmp_path):
    def run(*arguments, **environ):
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=ROOT,
            capture_output=True,
            text=True,
            env={"PATH": os.environ["PATH"], "DATA_DIR": str(tmp_path / "d"), **environ},
        )

    assert run("-c", "import config", PORT="wrong").returncode == 0
    wrong = run("config.py", "--check", PORT="wrong")
    assert (wrong.returncode, wrong.stderr) == (1, "PORT: write a whole number from 1 to 65535 (now: 'wrong').\n")
    right = run("config.py", "--check")
    assert (right.returncode, right.stdout) == (0, "The configuration is right.\n")
    assert not (tmp_path / "d").exists()
    assert run("config.py", "--nonsense").returncode == 2
