"""The areas in order, and what of them joins the application. An area may use those before it, none behind it."""

import importlib
import importlib.util
from collections.abc import Iterator
from typing import Any

AREAS = ("settings", "staff", "clients", "policies", "search")


def blueprints() -> Iterator[Any]:
    """Every area's blueprint, in order. An area without pages has no views module and is passed over.

    Raises RuntimeError when a blueprint is not called like its area: templates, URLs and endpoints share that one word.
    """
    for area in AREAS:
        module = f"portal.{area}.views"
        if importlib.util.find_spec(f"portal.{area}") is None or importlib.util.find_spec(module) is None:
            continue
        blueprint = importlib.import_module(module).blueprint
        if blueprint.name != area:
            raise RuntimeError(f"{module}.blueprint is called {blueprint.name!r}, not {area!r}")
        yield blueprint
