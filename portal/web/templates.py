"""Templates that show rows: a dict's entry is found at once, and a row that was shown before is not rendered again."""

import functools
from collections.abc import Iterable, Mapping
from typing import Any

from flask import current_app
from flask.templating import Environment
from markupsafe import Markup

REMEMBERED_ROWS = 3000   # of about a kilobyte, in each process


class RowEnvironment(Environment):
    """Jinja for templates in which nearly everything is a row.

    For `policy.asset` Jinja tries the dict's attributes first and raises and catches an error before it looks at the
    entries: two thirds of the time of a long list.
    """

    def getattr(self, obj: Any, attribute: str) -> Any:
        if type(obj) is dict:
            try:
                return obj[attribute]
            except KeyError:
                pass
        return super().getattr(obj, attribute)


def rows_as_html(template: str, rows: Iterable[Mapping[str, Any]], **context: Any) -> list[Markup]:
    """Each row by `template`, which sees `row` and `context` alone and nothing of the request.

    So its text depends on nothing else, and the same row shown again (to a colleague, on the next page view) is taken
    from memory. `context` values are plain or tuples.
    """
    environment = current_app.jinja_env
    known = tuple(sorted(context.items()))
    return [_row_as_html(environment, template, known, tuple(row), tuple(map(_hashable, row.values()))) for row in rows]


@functools.lru_cache(maxsize=REMEMBERED_ROWS)
def _row_as_html(environment: Environment, template: str, context: tuple[tuple[str, Any], ...],
                 names: tuple[str, ...], values: tuple[Any, ...]) -> Markup:
    row = dict(zip(names, values, strict=True))
    return Markup(environment.get_template(template).render(row=row, **dict(context)))  # noqa: S704 - escaped by Jinja


def _hashable(value: Any) -> Any:
    return tuple(map(_hashable, value)) if isinstance(value, list) else value
