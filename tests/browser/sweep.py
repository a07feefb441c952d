"""One visit of every page, on which several tests look: axe-core on a desk, in the dark and on a phone, and more."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import BrowserContext, ConsoleMessage, Page

AXE = Path(__file__).parents[1] / "servers" / "node_modules" / "axe-core" / "axe.min.js"
WIDTHS = {"desk": 1366, "phone": 360}
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
EVERYTHING = {"type": "tag", "values": RULES}
# What a rule looks at decides where it runs: all once, colours in the dark as well, sizes and names on a phone too.
RUNS: tuple[tuple[str, Literal["light", "dark"], dict[str, Any]], ...] = (
    ("desk", "light", EVERYTHING),
    ("desk", "dark", {"type": "rule", "values": ["color-contrast"]}),
    ("phone", "light", {"type": "rule", "values": [
        "target-size", "scrollable-region-focusable", "color-contrast", "label", "link-name", "button-name"]}),
)
# Rows after the eighth repeat what the ones before show; /design shows each component in each state.
# Only what is wrong comes over: the rest of axe's answer would be megabytes a page.
FOUND = """rules => axe.run({exclude: ['tbody tr:nth-child(n + 9)']}, {runOnly: rules, resultTypes: ['violations']})
  .then(({violations}) => violations.flatMap(({id, nodes}) => nodes.map(({html}) => [id, html.slice(0, 120)])))"""
TOLD = "Content Security Policy"
TELL = ("addEventListener('securitypolicyviolation', "
        f"broken => console.error('{TOLD}: ' + broken.violatedDirective + ' ' + broken.sourceFile))")


@dataclass
class Sweep:
    """What was seen on the pages."""

    faults: list[str] = field(default_factory=list)  # broken rules of axe-core, sideways scrolling
    policy: list[str] = field(default_factory=list)  # broken parts of the content security policy
    html: dict[str, str] = field(default_factory=dict)  # by path, as the server sent it

    def visit(self, context: BrowserContext, paths: Iterable[str]) -> None:
        """Opens each page and looks at it."""
        page = context.new_page()
        page.add_init_script(TELL)
        bring_axe(page)
        page.on("console", self._note)
        for path in paths:
            answer = page.goto(path)
            assert answer is not None
            self.html[path] = answer.text()
            self.faults += faults_of(page)

    def _note(self, message: ConsoleMessage) -> None:
        if TOLD in message.text:
            self.policy.append(f"{message.page.url if message.page else ''}: {message.text}")


def bring_axe(page: Page) -> None:
    """Each page that is opened from now on has axe-core, past its policy, which would refuse a script of ours."""
    if not AXE.exists():
        pytest.skip("axe-core is not installed (run `npm ci` in tests/servers)")
    page.add_init_script(path=AXE)


def faults_of(page: Page) -> list[str]:
    """What is wrong with a page on a desk, in the dark, on a phone: rules of axe-core broken, sideways scrolling."""
    faults = []
    for width, theme, rules in RUNS:
        page.set_viewport_size({"width": WIDTHS[width], "height": 900})
        page.emulate_media(color_scheme=theme)
        if page.evaluate("document.documentElement.scrollWidth > window.innerWidth"):
            faults.append(f"{page.url} {width}: scrolls sideways")
        faults += [f"{page.url} {width} {theme} {rule}: {html}" for rule, html in page.evaluate(FOUND, rules)]
    return faults
