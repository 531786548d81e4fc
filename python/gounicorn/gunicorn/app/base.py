"""gunicorn.app.base: for classes that derive from it. They can load their configuration, but not run a second server."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from gunicorn.config import Config

from gounicorn._names import absent

if TYPE_CHECKING:
    from collections.abc import Callable

INSTEAD = "start it with the command `gounicorn module:application -c gunicorn.conf.py`, or from Python with gounicorn.run()."


class BaseApplication:
    """An application and its configuration; load_config and load are the subclass's."""

    def __init__(self, usage: str | None = None, prog: str | None = None) -> None:
        """Load the configuration."""
        self.usage = usage
        self.prog = prog
        self.cfg: Any = None
        self.callable: Callable[..., Any] | None = None
        self.logger: Any = None
        self.do_load_config()

    def do_load_config(self) -> None:
        """Load it; what is wrong with it ends the process with status 1."""
        try:
            self.load_default_config()
            self.load_config()
        except Exception as error:
            print(f"\nError: {error}", file=sys.stderr, flush=True)
            sys.exit(1)

    def load_default_config(self) -> None:
        """Begin with the defaults."""
        self.cfg = Config(self.usage, prog=self.prog)

    def init(self, parser: Any, opts: Any, args: Any) -> Any:
        """Take settings from the command line; the subclass's."""
        raise NotImplementedError

    def load(self) -> Callable[..., Any]:
        """Return the WSGI application; the subclass's."""
        raise NotImplementedError

    def load_config(self) -> None:
        """Set what differs from the defaults; the subclass's."""
        raise NotImplementedError

    def reload(self) -> None:
        """Load the configuration again."""
        self.do_load_config()

    def wsgi(self) -> Callable[..., Any]:
        """Return the WSGI application, loaded once."""
        if self.callable is None:
            self.callable = self.load()
        return self.callable

    run = absent("run() of gunicorn.app.base.BaseApplication", INSTEAD)


class Application(BaseApplication):
    """The same with gunicorn's command line, which is the command gounicorn's business here."""

    def chdir(self) -> None:
        """Go to the configured directory, and import from there."""
        os.chdir(self.cfg.chdir)
        if self.cfg.chdir not in sys.path:
            sys.path.insert(0, self.cfg.chdir)

    load_config = absent("load_config() of gunicorn.app.base.Application", INSTEAD)
    load_config_from_file = absent("load_config_from_file() of gunicorn.app.base.Application", INSTEAD)
