"""What the framework calls the route of a request: environ["gounicorn.route"] tells the server which requests are of one kind.

The methods with which frameworks find a route are wrapped, in what the application has imported and where they look as expected.
An application may also set the key itself.
"""

from __future__ import annotations

import functools
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = "gounicorn.route"


def _django(self: Any, args: tuple[Any, ...], match: Any) -> None:
    args[0].environ[KEY] = match.route or "/"


def _flask(self: Any, args: tuple[Any, ...], nothing: None) -> None:
    if self.request.url_rule is not None:
        self.request.environ[KEY] = self.request.url_rule.rule


def _pyramid(self: Any, args: tuple[Any, ...], info: Any) -> None:
    if info["route"] is not None:
        args[0].environ[KEY] = info["route"].pattern


PLACES = (  # module, class, method, and what to do with its result
    ("django.core.handlers.base", "BaseHandler", "resolve_request", _django),
    ("flask.ctx", "RequestContext", "match_request", _flask),  # until Flask 3.1
    ("flask.ctx", "AppContext", "match_request", _flask),
    ("pyramid.urldispatch", "RoutesMapper", "__call__", _pyramid),
)


def watch() -> None:
    """Wrap what is loaded; called once the application is."""
    for module, name, method, note in PLACES:
        owner = vars(sys.modules.get(module, object)).get(name)
        original = vars(owner).get(method) if isinstance(owner, type) else None
        if callable(original) and not hasattr(original, "__wrapped__"):
            setattr(owner, method, _wrap(original, note))


def _wrap(original: Callable[..., Any], note: Callable[..., None]) -> Callable[..., Any]:
    @functools.wraps(original)
    def wrapped(self: Any, *args: Any) -> Any:
        result = original(self, *args)
        try:
            note(self, args, result)
        except (AttributeError, LookupError, TypeError):
            pass  # another version of the framework: no name, no harm
        return result

    return wrapped
