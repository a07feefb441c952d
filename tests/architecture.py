"""The rules of the house as functions over parsed modules; tests/test_architecture.py applies them and tests them."""
import ast
import pathlib
import re
import sys
from collections.abc import Iterator, Mapping

Modules = Mapping[str, ast.Module]

SETTINGS = ("setting_values", "config")
FACES = ("database_pool", "cache_manager", "task_queue", "batch_file_operations")  # each may use those before it
SHARED = ("errors", "sealing", "formats", "tables", "inputs", "freshness", "paging", "audit", "measures", "gateways",
          "web")  # likewise
ENTRIES = ("app_multiuser", "wsgi", "gunicorn_config", "portal.commands", "portal.demo")
DEPLOYMENT = ("deploy_multiuser", "deployment")
IN_THE_VENV = ("deployment.inspection", "deployment.services")
READS_ENVIRONMENT = ("settings", "deployment")  # the latter hands it on to the processes that it starts
HTTP_LIBRARIES = ("flask", "flask_wtf", "werkzeug")
MAY_OPEN_TRANSACTIONS = ("views", "tasks")
# What an area consists of, from below: a part uses those before it. A noun of its own (staff.sessions) is a service.
PARTS = ("inputs", "queries", "service", "tasks", "views")
SQL = re.compile(
    r"\s*(select\s+.+\sfrom\s|select\s+\w+\(|insert\s+into\s+\w|update\s+\w+\s+set\s|delete\s+from\s+\w|"
    r"with\s+\w+\s+as\s*\(|create\s+(table|view|function|index)\s|alter\s+table\s)", re.IGNORECASE | re.DOTALL)
LONGEST_FUNCTION = 50
LONGEST_MODULE = 400
LONGEST_INFRASTRUCTURE = 500


def parsed(root: pathlib.Path) -> dict[str, ast.Module]:
    """Every module of the project but its tests, by its dotted name."""
    files = [*root.glob("*.py"), *(path for folder in ("portal", "infrastructure", "deployment")
                                   for path in root.glob(f"{folder}/**/*.py"))]
    return {_dotted(path.relative_to(root)): ast.parse(path.read_text(encoding="utf-8")) for path in sorted(files)}


def _dotted(path: pathlib.Path) -> str:
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


def imports(tree: ast.AST, modules: Modules) -> Iterator[tuple[str, bool]]:
    """(dotted name, is it at the top of the file) for everything that a module imports, ours and others'.

    What stands under `if TYPE_CHECKING:` or `try:` at the top counts as at the top.
    """
    tops = {id(node) for statement in getattr(tree, "body", []) for node in _outside_functions(statement)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, id(node) in tops) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield (whole if whole in modules else str(node.module)), id(node) in tops


def _outside_functions(node: ast.AST) -> Iterator[ast.AST]:
    yield node
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        for child in ast.iter_child_nodes(node):
            yield from _outside_functions(child)


def place(module: str, areas: tuple[str, ...]) -> tuple[str, str, str]:
    """(layer, area, part) of one of our modules; area and part are empty where there are none."""
    first, _, rest = module.partition(".")
    second, _, below = rest.partition(".")
    part = below.split(".")[0]
    if module in SETTINGS:
        return "settings", "", module
    if first == "infrastructure":
        return "infrastructure", "", ""
    if module in FACES:
        return "face", "", module
    if first in DEPLOYMENT:
        return "deployment", "", ""
    if any(module == entry or module.startswith(f"{entry}.") for entry in ENTRIES):
        return "entry", "", ""
    if module == "portal.areas":
        return "areas", "", ""
    if first == "portal" and second in areas:
        return "area", second, part
    if first == "portal" and (second in SHARED or not second):
        return "shared", "", second
    return "unknown", "", ""


def may_use(user: str, used: str, areas: tuple[str, ...]) -> bool:
    """Whether the architecture lets the module `user` import our module `used`."""
    layer, area, part = place(user, areas)
    layer2, area2, part2 = place(used, areas)
    if used == "portal" or layer == layer2 == "infrastructure":
        return True
    if layer == "entry":
        return layer2 not in ("infrastructure", "deployment")
    if layer == "deployment":
        return layer2 == "deployment" or (user in IN_THE_VENV and layer2 in ("settings", "face"))
    if layer2 == "settings":
        return used == "config" or user == "config"
    if layer == "infrastructure" or layer2 == "infrastructure":
        return layer == "face"
    if layer == "face":
        return layer2 == "face" and FACES.index(part2) < FACES.index(part)
    if layer == "shared":
        return layer2 == "face" or (layer2 == "shared" and (
            part == part2 or not part or SHARED.index(part2) < SHARED.index(part)))
    if layer == "areas":
        return layer2 in ("area", "areas")
    return layer == "area" and _an_area_may_use((area, part), (layer2, area2, part2), areas)


def _an_area_may_use(user: tuple[str, str], used: tuple[str, str, str], areas: tuple[str, ...]) -> bool:
    area, part = user
    layer2, area2, part2 = used
    if layer2 == "face":
        return part != "inputs"
    if layer2 == "shared":
        return {"web": part == "views", "gateways": part == "tasks"}.get(part2, True)
    if layer2 != "area":
        return False
    if area == area2:
        return part == part2 or not part2 or (_rank(part2) <= _rank(part) and _rank(part2) < PARTS.index("tasks"))
    return areas.index(area2) < areas.index(area) and part2 not in ("views", "tasks") and _rank(part2) <= _rank(part)


def _rank(part: str) -> int:
    return PARTS.index(part) if part in PARTS else PARTS.index("service")


def wrong_imports(module: str, modules: Modules, areas: tuple[str, ...]) -> list[str]:
    """A sentence for each import that points up, hides in a function, or brings Flask where it has no business."""
    layer, _, part = place(module, areas)
    wrong = ["has no place in the architecture"] if layer == "unknown" else []
    for used, at_the_top in imports(modules[module], modules):
        ours = used in modules
        if ours and layer != "unknown" and not may_use(module, used, areas):
            wrong.append(f"may not use {used}")
        # Of the ways to the database one is used, and its libraries alone are imported.
        late = layer == "entry" or (layer == "face" and used.startswith("infrastructure."))
        if ours and not at_the_top and not late:
            wrong.append(f"hides the import of {used} in a function")
        # rate_limit asks who calls, inside the decorated view alone.
        of_the_call = module == "cache_manager" and not at_the_top
        if used.split(".")[0] in HTTP_LIBRARIES and layer != "entry" and part not in ("views", "web") \
                and not of_the_call:
            wrong.append(f"uses {used}: HTTP lives in views and portal/web")
        if layer == "deployment" and module not in IN_THE_VENV and not ours \
                and used.split(".")[0] not in sys.stdlib_module_names:
            wrong.append(f"uses {used}, which a fresh machine does not have")
    return wrong


def wrong_deeds(module: str, modules: Modules, areas: tuple[str, ...]) -> list[str]:
    """A sentence for each thing a module does that is another one's work: SQL, transactions, the environment."""
    layer, _, part = place(module, areas)
    wrong = []
    for node in ast.walk(modules[module]):
        if isinstance(node, ast.Call) and layer in ("area", "shared", "areas"):
            called = getattr(node.func, "id", getattr(node.func, "attr", ""))
            if called == "transaction" and part not in MAY_OPEN_TRANSACTIONS:
                wrong.append(f"opens a transaction in line {node.lineno}: views and tasks do")
            if called in ("commit", "rollback"):
                wrong.append(f"calls {called} by hand in line {node.lineno}")
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and _is_sql(node.value) \
                and layer != "infrastructure" and not _is_docstring(node, modules[module]):
            wrong.append(f"contains SQL in line {node.lineno}: it belongs to supabase/migrations")
        if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv") and layer not in READS_ENVIRONMENT \
                and getattr(node.value, "id", "") == "os":
            wrong.append(f"reads the environment in line {node.lineno}: config.py does")
    return wrong


def _is_sql(text: str) -> bool:
    """Statements are written in small letters or in capitals; a sentence for colleagues begins like one."""
    first = (text.split() or [""])[0]
    return first in (first.lower(), first.upper()) and SQL.match(text) is not None


def _is_docstring(node: ast.Constant, tree: ast.Module) -> bool:
    return any(isinstance(owner, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and owner.body
               and isinstance(owner.body[0], ast.Expr) and owner.body[0].value is node for owner in ast.walk(tree))


def too_long(module: str, tree: ast.Module) -> list[str]:
    """A sentence for the module, and for each function in it, that is more than a reader can keep in mind."""
    longest = LONGEST_INFRASTRUCTURE if module.startswith("infrastructure") or module in FACES else LONGEST_MODULE
    lines = len(ast.unparse(tree).splitlines())
    long = [f"has {lines} lines and wants to be two modules"] if lines > longest else []
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > LONGEST_FUNCTION:
                long.append(f"{node.name} has {lines} lines and wants to be two functions")
    return long


def circles(modules: Modules) -> list[list[str]]:
    """Every circle of imports among our modules, as the modules on it."""
    graph = {name: [used for used, _ in imports(tree, modules) if used in modules and used != name]
             for name, tree in modules.items()}
    found: list[list[str]] = []
    finished: set[str] = set()

    def visit(name: str, way: list[str]) -> None:
        if name in way:
            found.append(way[way.index(name):])
        elif name not in finished:
            for used in graph[name]:
                visit(used, [*way, name])
            finished.add(name)

    for name in graph:
        visit(name, [])
    return found


def tasks_asked_for_and_declared(modules: Modules) -> tuple[set[str], set[str]]:
    """The names in enqueue(tx, "outbox.deliver", ...) and in @task("outbox.deliver")."""
    names: dict[str, set[str]] = {"enqueue": set(), "task": set()}
    for tree in modules.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                called = getattr(node.func, "attr", getattr(node.func, "id", ""))
                if called in names:
                    names[called] |= {argument.value for argument in node.args
                                      if isinstance(argument, ast.Constant) and isinstance(argument.value, str)}
    return names["enqueue"], names["task"]
