"""Saved views, chosen columns and ticked rows of any list. Each area describes its own list with `Column`s."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, urlencode

from database_pool import Transaction
from portal.audit import Actor
from portal.errors import NotPermitted, Refused
from portal.freshness import Fresh
from portal.lists import queries
from portal.lists.inputs import SavedViewInput

Row = dict[str, Any]
NOT_PART_OF_A_VIEW = frozenset({"cursor", "at", "size"})
MOST_ALIKE = 1000   # ways to look at a list that a process keeps
TOO_MANY = f"At most {queries.MOST_AT_ONCE:,} at once. Narrow the list, then do it in parts."


@dataclass(frozen=True)
class Column:
    """A column that may be shown: its word, its heading, the field of the row, whether it is shown at first.

    `permission` is what the role must allow ("" nothing special).
    """

    name: str
    label: str
    field: str
    at_first: bool = True
    permission: str = ""


@dataclass(frozen=True, eq=False)
class Preferences:
    """How one colleague looks at one list: the words of the shown columns, and the saved views. Two colleagues who look
    at it alike have the same object from `preferences_of`, and so the same pieces of pages.
    """

    name: str
    available: Sequence[Column]
    shown: frozenset[str]
    views: Sequence[Row]

    def current(self, query: str) -> int | None:
        """The id of the saved view that an address shows, if it is one."""
        if not self.views:
            return None
        wanted = canonical(query)
        return next((view["view_id"] for view in self.views if view["query"] == wanted), None)

    def own(self, query: str, user_id: int) -> Row | None:
        """The saved view that an address shows, if it is the colleague's own."""
        now = self.current(query)
        return next((view for view in self.views if view["view_id"] == now and view["user_id"] == user_id), None)

    @property
    def exported(self) -> list[Column]:
        """The columns in the order of the list, for a file."""
        return [column for column in self.available if column.name in self.shown]


@dataclass(frozen=True)
class Selection:
    """The rows somebody ticked, or with `everything` all that the filter in `query` matches, on whatever page."""

    ids: tuple[str, ...]
    everything: bool
    query: str

    @property
    def arguments(self) -> dict[str, str]:
        """The filter as the list's address has it."""
        return dict(parse_qsl(self.query))

    def __bool__(self) -> bool:
        return self.everything or bool(self.ids)


def preferences_of(
    user_id: int, name: str, columns: Iterable[Column], permissions: frozenset[str], fresh: Fresh | None = None
) -> Preferences:
    """How a colleague looks at the list `name`, which may have `columns`. One question, with `fresh` mostly none."""
    if fresh is None:
        return _preferences(user_id, name, columns, permissions)
    key = ("preferences", user_id, name, permissions)
    return fresh.value("lists", key, lambda: _preferences(user_id, name, columns, permissions))


def _preferences(user_id: int, name: str, columns: Iterable[Column], permissions: frozenset[str]) -> Preferences:
    rows = queries.preferences(user_id, name)
    available = tuple(column for column in columns if not column.permission or column.permission in permissions)
    chosen = next((row["columns"] for row in rows if row["kind"] == "columns"), None)
    words = {column.name for column in available if column.at_first} if chosen is None else set(chosen)
    shown = frozenset(column.name for column in available if column.name in words)
    views = tuple(tuple(row.items()) for row in rows if row["kind"] == "view")
    return _alike(name, available, shown, views)


@lru_cache(MOST_ALIKE)
def _alike(
    name: str, available: tuple[Column, ...], shown: frozenset[str], views: tuple[tuple[tuple[str, Any], ...], ...]
) -> Preferences:
    """The one object for all who look at a list in this way."""
    return Preferences(name, available, shown, tuple(map(dict, views)))


def canonical(query: str) -> str:
    """A query with its parameters in order, without empty ones and without the page."""
    pairs = parse_qsl(query.lstrip("?"))
    return urlencode(sorted((name, value) for name, value in pairs if name not in NOT_PART_OF_A_VIEW))


def selection(form: Mapping[str, Sequence[str]]) -> Selection:
    """What the form around a list sends: `chosen` ids, `everything`, and the list's `query`."""
    ids = tuple(dict.fromkeys(text for text in form.get("chosen", ()) if 0 < len(text) <= 40))
    if len(ids) > queries.MOST_AT_ONCE:
        raise Refused(TOO_MANY)
    return Selection(ids, bool("".join(form.get("everything", ()))), canonical("".join(form.get("query", ()))))


def save_view(tx: Transaction, actor: Actor, name: str, data: SavedViewInput) -> None:
    """Keeps an address of the list `name`. The end of `tx` raises Duplicate for a name in use."""
    tx.insert("saved_views", {"owner_id": actor.user_id, "list": name, "name": data.name,
                              "query": canonical(data.query), "is_shared": data.shared})


def delete_view(tx: Transaction, actor: Actor, view: Row, *, may_all: bool) -> None:
    """Forgets a saved view: its owner may, and whoever looks after colleagues (`may_all`). Raises NotPermitted."""
    if view["owner_id"] != actor.user_id and not may_all:
        raise NotPermitted("Only the colleague who saved this view may delete it.")
    tx.delete("saved_views", filters={"view_id_eq": view["view_id"]})


def choose_columns(tx: Transaction, actor: Actor, name: str, words: Sequence[str]) -> None:
    """Keeps the columns a colleague wants to see of a list; none stands for those shown at first."""
    chosen = [word for word in dict.fromkeys(words) if word.isidentifier() and len(word) <= 40][:60]
    if chosen:
        tx.upsert("list_columns", {"user_id": actor.user_id, "list": name, "columns": chosen})
    else:
        tx.delete("list_columns", filters={"user_id_eq": actor.user_id, "list_eq": name})
