"""The shape of the code: who may import whom, who may do what, and how long anything may get."""
import ast
import pathlib

import pytest

from portal.areas import AREAS
from tests import architecture

ROOT = pathlib.Path(__file__).resolve().parents[1]
MODULES = architecture.parsed(ROOT)


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_down_and_stand_at_the_top(module):
    assert architecture.wrong_imports(module, MODULES, AREAS) == []


@pytest.mark.parametrize("module", MODULES)
def test_each_module_keeps_to_its_work(module):
    assert architecture.wrong_deeds(module, MODULES, AREAS) == []


@pytest.mark.parametrize("module", MODULES)
def test_nothing_is_too_long_to_read(module):
    assert architecture.too_long(module, MODULES[module]) == []


def test_no_import_runs_in_a_circle():
    assert architecture.circles(MODULES) == []


def test_every_task_asked_for_is_declared():
    asked, declared = architecture.tasks_asked_for_and_declared(MODULES)
    assert asked <= declared


def test_every_area_is_listed_and_nothing_else_is_a_folder():
    folders = {path.name for path in (ROOT / "portal").iterdir() if path.is_dir() and any(path.glob("*.py"))}
    assert folders - {"demo", "web", "gateways"} == set(AREAS)


def _wrong(source: str, module: str, *others: str) -> list[str]:
    """What the rules say about a module with this source, in a house of three areas."""
    modules = {name: ast.parse("") for name in ("portal", "config", "database_pool", "infrastructure.pool", *others)}
    modules[module] = ast.parse(source)
    areas = ("staff", "clients", "policies")
    return architecture.wrong_imports(module, modules, areas) + architecture.wrong_deeds(module, modules, areas)


@pytest.mark.parametrize(("module", "source", "complaint"), [
    ("portal.clients.service", "from portal.policies import queries", "may not use portal.policies.queries"),
    ("portal.policies.service", "from portal.clients import views", "may not use portal.clients.views"),
    ("portal.policies.queries", "from portal.policies import service", "may not use portal.policies.service"),
    ("portal.clients.service", "from portal import web", "may not use portal.web"),
    ("portal.clients.service", "import infrastructure.pool", "may not use infrastructure.pool"),
    ("portal.clients.inputs", "import database_pool", "may not use database_pool"),
    ("portal.errors", "from portal import web", "may not use portal.web"),
    ("database_pool", "import portal.clients.queries", "may not use portal.clients.queries"),
    ("infrastructure.pool", "import database_pool", "may not use database_pool"),
    ("portal.policies.service", "def f():\n    from portal.clients import queries", "hides the import"),
    ("portal.clients.service", "import flask", "uses flask"),
    ("database_pool", "from flask import g", "uses flask"),
    ("deployment.files", "import psutil", "a fresh machine does not have"),
    ("portal.clients.service", "with database_pool.transaction() as tx: pass", "opens a transaction"),
    ("portal.clients.views", "connection.commit()", "calls commit by hand"),
    ("portal.clients.queries", "find = 'select name from clients'", "contains SQL"),
    ("portal.clients.queries", "find = '''\n  update clients set name = %s'''", "contains SQL"),
    ("portal.clients.service", "import os\nos.environ['PORT']", "reads the environment"),
    ("portal.clients.service", "import os\nos.getenv('PORT')", "reads the environment"),
    ("portal.helpers", "", "has no place in the architecture"),
])
def test_the_rules_notice(module, source, complaint):
    others = ("portal.web", "portal.clients", "portal.clients.queries", "portal.clients.views", "portal.policies",
              "portal.policies.queries", "portal.policies.service")
    assert any(complaint in sentence for sentence in _wrong(source, module, *others)), _wrong(source, module, *others)


@pytest.mark.parametrize(("module", "source"), [
    ("portal.policies.service", "from portal.clients import queries\nfrom portal.clients.service import merge"),
    ("portal.clients.views", "import flask\nfrom portal import web\nfrom portal.clients import service"),
    ("portal.clients.views", "with database_pool.transaction() as tx: pass"),
    ("portal.clients.queries", "from database_pool import execute_query"),
    ("portal.clients.queries", "\"\"\"Select clients from the book.\"\"\""),
    ("portal.clients.service", "message = 'Select a client from the list'\nother = 'Update the address, then save'"),
    ("database_pool", "import infrastructure.pool\nimport config"),
    ("config", "import os\nos.environ"),
    ("portal.commands", "def seed():\n    from portal.clients import service"),
])
def test_the_rules_let_good_work_pass(module, source):
    others = ("portal.web", "portal.clients", "portal.clients.queries", "portal.clients.service")
    assert _wrong(source, module, *others) == []


def test_the_rules_notice_a_circle():
    modules = {name: ast.parse(f"import {used}") for name, used in (("a", "b"), ("b", "c"), ("c", "a"), ("d", "a"))}
    assert [sorted(circle) for circle in architecture.circles(modules)] == [["a", "b", "c"]]


def test_the_rules_notice_what_is_too_long():
    body = "\n".join("    pass" for _ in range(60))
    assert "wants to be two functions" in architecture.too_long("portal.x", ast.parse(f"def f():\n{body}"))[0]
    lines = "\n".join(f"a{number} = {number}" for number in range(450))
    assert "wants to be two modules" in architecture.too_long("portal.x", ast.parse(lines))[0]
    assert architecture.too_long("database_pool", ast.parse(lines)) == []
