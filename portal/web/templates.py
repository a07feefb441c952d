"""Templates that show rows: a dict's entry is found at once."""

from typing import Any

from flask.templating import Environment
from jinja2 import Template
from jinja2.environment import TemplateModule
from jinja2.runtime import Context


class SharedTemplate(Template):
    """A template whose macros are the same for every page that imports them."""

    def _get_default_module(self, ctx: Context | None = None) -> TemplateModule:
        """Jinja compares the names of all globals at each import, in case a page was rendered with globals of its own;
        no page of ours is, and a page imports some ten times.
        """
        if self._module is None:
            return super()._get_default_module(ctx)
        return self._module


class RowEnvironment(Environment):
    """Jinja for templates in which nearly everything is a row.

    For `policy.asset` Jinja tries the dict's attributes first and raises and catches an error before it looks at the
    entries: two thirds of the time of a long list.
    """

    template_class = SharedTemplate

    def getattr(self, obj: Any, attribute: str) -> Any:
        if type(obj) is dict:
            try:
                return obj[attribute]
            except KeyError:
                pass
        return super().getattr(obj, attribute)
