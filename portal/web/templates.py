"""Templates that show rows, and their compiled form, which is kept from one start to the next."""

import contextlib
import hashlib
import pathlib
import pickle
from importlib.metadata import version
from typing import Any

from flask.templating import Environment
from jinja2 import FileSystemBytecodeCache, Template
from jinja2.bccache import Bucket
from jinja2.environment import TemplateModule
from jinja2.runtime import Context, Macro

from portal.web import tokens


class SharedTemplate(Template):
    """A template whose macros are the same for every page that imports them, and whose pages have their form tokens."""

    def render(self, *arguments: Any, **context: Any) -> str:
        return tokens.fill_in(super().render(*arguments, **context))

    def _get_default_module(self, ctx: Context | None = None) -> TemplateModule:
        """Jinja compares the names of all globals at each import, in case a page was rendered with globals of its own;
        no page of ours is, and a page imports some ten times.
        """
        if self._module is None:
            return super()._get_default_module(ctx)
        return self._module


class QuickContext(Context):
    """What the names of a template mean, in which a macro is called without finding out anew that it is one.

    Jinja looks three times at whatever is called whether it wants the context; a form calls two hundred macros.
    """

    def call(self, called: Any, /, *arguments: Any, **named: Any) -> Any:
        """What the macro or function answers."""
        if type(called) is not Macro:
            return super().call(called, *arguments, **named)
        named.pop("_block_vars", None)
        named.pop("_loop_vars", None)
        return called(self.eval_ctx, *arguments, **named)


class RowEnvironment(Environment):
    """Jinja for templates in which nearly everything is a row.

    For `policy.asset` Jinja tries the dict's attributes first and raises and catches an error before it looks at the
    entries: two thirds of the time of a long list.
    """

    template_class = SharedTemplate
    context_class = QuickContext

    def getattr(self, obj: Any, attribute: str) -> Any:
        if type(obj) is dict:
            try:
                return obj[attribute]
            except KeyError:
                pass
        return super().getattr(obj, attribute)


class CompiledTemplates(FileSystemBytecodeCache):
    """Jinja's own cache of compiled templates, which a file cut short by a power failure does not stop."""

    def load_bytecode(self, bucket: Bucket) -> None:
        """Reads what is kept, or nothing."""
        try:
            super().load_bytecode(bucket)
        except (EOFError, OSError, TypeError, ValueError, pickle.UnpicklingError):   # what half a file makes of itself
            bucket.reset()


def keep_compiled(environment: Environment, folder: pathlib.Path) -> None:
    """Keeps the compiled templates in `folder`: to compile them all takes 2 seconds of every start and every command.

    Jinja compares the text of each template; what else decides the code goes into the file names. The folder is the
    portal's own: whoever could write there could run code as the portal. Without it the templates are compiled anew.
    """
    makers = [pathlib.Path(__file__), pathlib.Path(__file__).with_name("fragments.py")]
    made_by = hashlib.sha256(b"".join(path.read_bytes() for path in makers) + version("jinja2").encode())
    with contextlib.suppress(OSError):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        environment.bytecode_cache = CompiledTemplates(str(folder), f"{made_by.hexdigest()[:12]}-%s.compiled")
