"""What the project says about its packages is so."""

import importlib.metadata
import pathlib
import re
import sys

import pytest

from tests.architecture import imports, parsed

ROOT = pathlib.Path(__file__).parents[1]
BROUGHT_ALONG = "# Brought along"


def pinned(name, *, direct_only=False):
    """The packages of a requirements file, as PyPI writes their names."""
    text = (ROOT / name).read_text()
    if direct_only:
        text = text.partition(BROUGHT_ALONG)[0]
    found = re.findall(r"^([A-Za-z0-9_.-]+)(?:\[[\w,]+\])?==", text, re.MULTILINE)
    return {package.lower().replace("_", "-") for package in found}


@pytest.mark.parametrize("package", sorted(pinned("requirements_production.txt", direct_only=True)))
def test_every_package_has_its_reason_on_the_page(package):
    named = re.findall(r"^\| ([^|]+) \|", (ROOT / "docs" / "dependencies.md").read_text(), re.MULTILINE)
    assert package in {word for cell in named for word in re.split(r"[ ,()]+", cell)}


def test_every_version_is_pinned():
    for name in ("requirements_production.txt", "requirements_test.txt"):
        lines = [line for line in (ROOT / name).read_text().splitlines() if line and not line.startswith(("#", "-r"))]
        assert [line for line in lines if "==" not in line] == []


def test_what_the_portal_imports_is_installed_with_the_portal():
    modules = parsed(ROOT)
    tops = {name.partition(".")[0] for name in modules}
    made_by = importlib.metadata.packages_distributions()
    installed = pinned("requirements_production.txt")
    missing = set()
    for module, tree in modules.items():
        for name, _ in imports(tree, modules):
            top = name.partition(".")[0]
            if top in tops or top in sys.stdlib_module_names or top == "None":
                continue
            makers = {maker.lower().replace("_", "-") for maker in made_by.get(top, [top])}
            if not makers & installed:
                missing.add(f"{module} imports {top}")
    assert missing == set()
