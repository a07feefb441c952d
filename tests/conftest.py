"""What every test may ask for: the tests' own PostgreSQL, a fresh migrated database per module, the portal on it."""

import contextlib
import functools
import itertools
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from werkzeug.routing.rules import Rule

import cache_manager
import config
import database_pool
from infrastructure.postgres_backend import PATIENCE, PostgresBackend
from tests.servers import supabase_lite
from tests.servers.postgres import PostgresServer
from tests.servers.processes import remove_folder, server_folder

TEMPLATE = "portal_template"
# Tests ask faster than people, and all from one address.
NO_LIMITS = {f"RATE_LIMIT_{group}": "off" for group in ("PAGES", "API", "SIGN_IN", "WEBHOOKS", "EXPORTS")}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests come first: a long one that began last would keep one core waiting for the other."""
    heavy = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in heavy)


@pytest.fixture(scope="session", autouse=True)
def addresses_compiled_once() -> Iterator[None]:
    """For each address werkzeug writes two functions and compiles them, for all of them a third of a second: each
    module makes an application, and they are always the same.
    """
    compile_builder, made = Rule._compile_builder, dict[tuple[Any, ...], Callable[..., tuple[str, str]]]()

    def compile_once(rule: Rule, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:
        key = rule.rule, repr(rule.defaults), tuple(rule._trace), append_unknown
        if key not in made:
            made[key] = compile_builder(rule, append_unknown)
        return made[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Rule, "_compile_builder", compile_once)
        yield


def portal_settings(data_dir: Path, **given: str) -> config.Settings:
    """Settings for tests: what is `given`, nothing of this machine's environment, all files under `data_dir`."""
    return config.load_settings(
        {
            "FLASK_ENV": "testing",
            "DATA_DIR": str(data_dir),
            "LOG_DIR": str(data_dir / "logs"),
            "SECRET_KEY": "0123456789abcdefghijklmnopqrstuvwxyz-tests-only",
            "TASK_WORKERS": "0",
            **NO_LIMITS,
            **given,
        }
    )


@contextlib.contextmanager
def point_portal_at(settings: config.Settings) -> Iterator[None]:
    """Within the block the process-wide settings and the default pool are those of `settings`."""
    pool = database_pool.DatabasePool(configuration=settings)
    before, settings_before = database_pool.use_pool(pool), config.use_settings(settings)
    cache_manager.reset_cache()
    try:
        yield
    finally:
        cache_manager.reset_cache()
        pool.stop()
        database_pool.use_pool(before)
        config.use_settings(settings_before)


@pytest.fixture(scope="session")
def data_dir() -> Iterator[Path]:
    """Where the portal keeps its files during the tests."""
    with tempfile.TemporaryDirectory(prefix="portal-data-") as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def embedded_server() -> Iterator[PostgresServer]:
    """The tests' own PostgreSQL: fast, and forgetful if it were killed (tests of faults start a durable one)."""
    server = PostgresServer(in_memory=True)
    server.start()
    yield server
    server.remove()


@pytest.fixture(scope="session")
def own_database() -> Iterator[Path]:
    """A portal's data folder with its own PostgreSQL in it, migrated and stopped, to be copied with `copy_data`: for
    tests of what comes after it was made.
    """
    folder = server_folder("own")
    pool = database_pool.DatabasePool(configuration=portal_settings(folder))
    pool.start()
    pool.stop()
    yield folder
    remove_folder(folder)


def copy_data(source: Path, target: Path) -> None:
    """The content of one data folder in another, owners included: PostgreSQL opens no other user's files."""
    subprocess.run(["cp", "-a", f"{source}/.", target], check=True)


@pytest.fixture(scope="session")
def database_template(embedded_server: PostgresServer, data_dir: Path) -> str:
    """Name of a database with the portal's schema, made once by the portal's own migrations."""
    embedded_server.create_database(TEMPLATE)
    with point_portal_at(portal_settings(data_dir, DATABASE_URL=embedded_server.address(TEMPLATE))):
        database_pool.migrate()
    return TEMPLATE


@pytest.fixture(scope="session")
def database_names() -> Iterator[str]:
    """Names for fresh databases, each once."""
    return (f"portal_{number}" for number in itertools.count(1))


@pytest.fixture(scope="module")
def fresh_database(
    embedded_server: PostgresServer, database_template: str, database_names: Iterator[str]
) -> Iterator[Callable[[], str]]:
    """Makes a migrated, otherwise empty database and answers its name; all of them are gone after the module."""
    made: list[str] = []

    def make() -> str:
        name = next(database_names)
        embedded_server.create_database(name, template=database_template)
        made.append(name)
        return name

    yield make
    for name in made:
        embedded_server.drop_database(name)


@pytest.fixture(scope="module")
def database(
    embedded_server: PostgresServer, fresh_database: Callable[[], str], data_dir: Path
) -> Iterator[config.Settings]:
    """A fresh database, with the default pool pointed at it; gives the settings that name it."""
    settings = portal_settings(data_dir, DATABASE_URL=embedded_server.address(fresh_database()))
    with point_portal_at(settings):
        yield settings


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pools made from now on take a database for away in a tenth of the time; what they then do is the same.

    For tests of what is said and kept, not of how soon.
    """
    monkeypatch.setattr(database_pool, "UNREACHABLE_AFTER", database_pool.UNREACHABLE_AFTER / 10)
    impatient_backend = functools.partial(PostgresBackend, patience=PATIENCE / 10)
    monkeypatch.setattr(database_pool, "PostgresBackend", impatient_backend)


@pytest.fixture(scope="module")
def app(database: config.Settings) -> Flask:
    """The portal as a web application, on the module's fresh database."""
    import app_multiuser  # tests of the data layer neither need it nor should fail with it

    return app_multiuser.create_app(database)


@pytest.fixture(scope="module")
def rest_app(embedded_server: PostgresServer, fresh_database: Callable[[], str], data_dir: Path) -> Iterator[Flask]:
    """The portal on @supabase/lite, a server of somebody else's making."""
    import app_multiuser

    if reason := supabase_lite.missing():
        pytest.skip(reason)
    lite = supabase_lite.SupabaseLite(embedded_server.folder, embedded_server.port, fresh_database())
    lite.start()
    settings = portal_settings(data_dir, SUPABASE_URL=lite.url, SUPABASE_KEY=lite.secret_key)
    with point_portal_at(settings):
        yield app_multiuser.create_app(settings)
    lite.remove()
