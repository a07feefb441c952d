"""Pieces of pages that are rendered once: `{% keep facts %} ... {% endkeep %}` in a template.

Nearly all of a page's time goes into writing rows and menus that were written a moment before, for this colleague or
for another. A piece is kept by the values it was made from, so nothing has to be forgotten when they change: a row with
another premium is another piece. Pieces may stand in pieces: a table whose one row changed is put together from the
rows that are kept. What is stored sealed is no fact of any piece: nothing of it stays in memory.
"""

import threading
from collections.abc import Callable
from dataclasses import is_dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from cachetools import LRUCache
from flask import Flask
from jinja2 import nodes
from jinja2.ext import Extension
from jinja2.parser import Parser
from markupsafe import Markup
from pydantic import BaseModel

ROOM = 8 * 1024 * 1024   # characters of all pieces together, in each process
_HOLDERS = frozenset({dict, list, tuple})
_PLAIN = frozenset({str, int, bool, type(None), date, datetime, Decimal, frozenset})   # most facts: no further look
_KEY = 500   # what a piece costs besides its text


class Fragments:
    """The kept pieces of one process; those that were not shown for the longest time go first."""

    def __init__(self, room: int = ROOM) -> None:
        self._lock = threading.Lock()
        self._pieces: LRUCache[Any, Markup] = LRUCache(room, getsizeof=lambda piece: len(piece) + _KEY)

    def show(self, place: str, facts: tuple[Any, ...], write: Callable[[], Markup]) -> Markup:
        """The piece at a place of a template for these facts, written now if it is not known."""
        key = (place, *map(_frozen, facts))
        with self._lock:
            try:
                piece = self._pieces[key]
            except KeyError:
                piece = None
        if piece is None:
            piece = write()
            with self._lock:
                if len(piece) + _KEY <= self._pieces.maxsize:
                    self._pieces[key] = piece
        return piece

    def forget_all(self) -> None:
        """Forgets every piece."""
        with self._lock:
            self._pieces.clear()

    def __len__(self) -> int:
        return len(self._pieces)


class KeepTag(Extension):
    """`{% keep a, b %} ... {% endkeep %}`: the body may use a, b, filters, constants and the form token, and nothing
    else that changes within the life of a process; two values that are equal must look alike in it. Imports that only
    the body needs stand in it: they cost nothing where the piece is known.
    """

    tags = {"keep"}  # noqa: RUF012 - an instance variable to Jinja

    def parse(self, parser: Parser) -> nodes.Node:
        """Makes a call of `show` of the tag, its facts and its body."""
        line = next(parser.stream).lineno
        facts: list[nodes.Expr] = []
        while parser.stream.current.type != "block_end":
            if facts:
                parser.stream.expect("comma")
            facts.append(parser.parse_expression())
        body = parser.parse_statements(("name:endkeep",), drop_needle=True)
        place = nodes.Const(f"{parser.name}:{line}")
        call = self.call_method("show", [place, nodes.Tuple(facts, "load")])
        return nodes.CallBlock(call, [], [], body).set_lineno(line)

    def show(self, place: str, facts: tuple[Any, ...], caller: Callable[[], Markup]) -> Markup:
        """What stands in the page instead of the tag."""
        pieces: Fragments = self.environment.fragments  # type: ignore[attr-defined]
        return pieces.show(place, facts, caller)


def connect(app: Flask) -> None:
    """Gives templates the tag, and the application a place for its pieces: `app.extensions["portal.fragments"]`."""
    app.jinja_env.add_extension(KeepTag)
    app.extensions["portal.fragments"] = app.jinja_env.fragments = Fragments()  # type: ignore[attr-defined]


def _frozen(fact: Any) -> Any:
    """A value as it can be a key: rows and lists become tuples. An object that equals itself alone (a dataclass with
    eq=False, which somebody keeps while it is true) is a key as it is.
    """
    kind = type(fact)
    if kind in _PLAIN:
        return fact
    if kind is dict:
        return (*fact, *[_frozen(value) if type(value) in _HOLDERS else value for value in fact.values()])
    if kind in _HOLDERS:
        return tuple(map(_frozen, fact))
    if isinstance(fact, BaseModel) or (is_dataclass(kind) and kind.__eq__ is not object.__eq__):
        return (kind, *map(_frozen, fact.__dict__.values()))
    return fact
