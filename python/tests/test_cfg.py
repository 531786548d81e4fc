"""cfg beside gunicorn's, and the names of gunicorn beside the real ones."""

from __future__ import annotations

import importlib
import inspect
import sys
from pathlib import Path
from types import ModuleType

import gunicorn.config
import pytest
from gounicorn import _cfg, _names

HERE = Path(_cfg.__file__).parent


def ours(**values):
    defaults = {name: setting.get() for name, setting in gunicorn.config.Config().settings.items()}
    return _cfg.use({**defaults, **values})


CHANGED = {
    "workers": 3,
    "threads": 4,
    "bind": ["127.0.0.1:80", "unix:/run/x.sock", "unix:///run/x", "[::1]:90", ":80", "tcp://h:1"],
    "raw_env": ["A=1", "B=2=3"],
    "raw_paste_global_conf": [r"a=1", r"b\=c=2"],
    "certfile": __file__,
    "proc_name": "site",
}


def test_attributes_are_gunicorns():
    real = gunicorn.config.Config()
    for name, value in CHANGED.items():
        real.set(name, value)
    cfg = ours(**CHANGED)
    names = set(real.settings) - set(_cfg.HOOKS) - {"logger_class", "worker_class"}
    names |= {"worker_class_str", "address", "uid", "gid", "env", "is_ssl", "proc_name", "paste_global_conf"}
    for name in names:
        assert getattr(cfg, name) == getattr(real, name), name
    assert set(cfg.settings) == set(real.settings)
    assert str(cfg).splitlines()[0] == str(real).splitlines()[0]


def test_hooks_without_a_function_do_nothing():
    cfg = ours()
    real = gunicorn.config.Config()
    for name, count in _cfg.HOOKS.items():
        assert len(inspect.signature(real.settings[name].get()).parameters) == count
    assert cfg.on_exit(None) is None
    assert cfg.ssl_context(cfg, lambda: 5) == 5


def test_a_user_by_name_is_a_number():
    assert (ours(user="root").uid, ours(user="0").user, ours(user=None).user) == (0, 0, gunicorn.config.Config().user)


def test_what_cfg_refuses():
    cfg = ours()
    with pytest.raises(AttributeError, match="Invalid access"):
        cfg.workers = 3
    with pytest.raises(AttributeError, match="No configuration setting for: nothing"):
        _ = cfg.nothing
    with pytest.raises(AttributeError):
        cfg.set("nothing", 1)
    cfg.set("workers", 9)
    assert cfg.workers == 9
    cfg.own = "value"
    assert cfg.own == "value"


@pytest.mark.parametrize("text", ["h:port", "[::1]:x"])
def test_a_bad_port(text):
    with pytest.raises(RuntimeError, match="is not a valid port number"):
        _cfg.parse_address(text)


MODULES = sorted(
    ("gunicorn." + str(path.relative_to(HERE / "gunicorn").with_suffix("")).replace("/", ".")).removesuffix(".__init__")
    for path in (HERE / "gunicorn").rglob("*.py")
)


@pytest.fixture
def names(monkeypatch):
    """The names as they are where gunicorn is not installed."""
    saved = {name: module for name, module in sys.modules.items() if name.partition(".")[0] == "gunicorn"}
    for name in saved:
        del sys.modules[name]
    monkeypatch.setattr(sys, "meta_path", [finder for finder in sys.meta_path if not hasattr(finder, "path_hooks")])
    sources = {str(path.relative_to(HERE.parent)): path.read_text() for path in HERE.rglob("*.py")}
    for name in ("_gounicorn", "_gounicorn_process"):  # built into the worker
        monkeypatch.setitem(sys.modules, name, Builtin(name))
    finders = list(sys.meta_path)
    _names.install(sources)
    monkeypatch.setattr(sys, "meta_path", [sys.meta_path[-1], *finders])  # as if nothing were installed
    ours()
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "gunicorn"]:
        del sys.modules[name]
    sys.modules.update(saved)


class Builtin(ModuleType):
    """Has the numbers and classes of a built-in module of the worker, whatever they are."""

    MAX_PACKET = 65536
    FileWrapper = object
    __path__: list = []

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return 0


@pytest.mark.parametrize("name", MODULES)
def test_every_name_is_one_of_gunicorns(names, name):
    module = importlib.import_module(name)
    assert module.__spec__.loader.__class__ is _names.NameFinder
    provided = {n for n in vars(module) if not n.startswith("__") and n not in ("annotations", "Any", "TYPE_CHECKING", "absent")}
    text = REAL.get(name)
    if text is not None:
        assert provided - OWN - text == set()


OWN = {"INSTEAD", "MASTER", "WITHIN", "MESSAGE", "base", "Callable", "Iterable", "_Kind", "_objects"}
REAL: dict[str, set[str]] = {}
for _name in MODULES:
    try:
        REAL[_name] = set(vars(importlib.import_module(_name)))
    except (ImportError, RuntimeError):
        continue  # gevent and the like are not installed


def test_what_makes_no_sense_here_says_so_when_it_is_used(names):
    from gunicorn.app.base import BaseApplication
    from gunicorn.app.wsgiapp import run
    from gunicorn.util import daemonize
    from gunicorn.workers.sync import SyncWorker

    class Standalone(BaseApplication):
        def load_config(self):
            self.cfg.set("workers", 7)

        def load(self):
            return print

    application = Standalone()
    assert (application.cfg.workers, application.wsgi()) == (7, print)
    for function in (application.run, run, daemonize, SyncWorker):
        with pytest.raises(RuntimeError, match=r"does not work in gounicorn: .*(gounicorn|user|worker_class)"):
            function()


def test_load_class(names):
    from gunicorn.util import load_class

    assert load_class("collections.OrderedDict").__name__ == "OrderedDict"
    assert load_class(dict) is dict
    assert load_class("egg:gunicorn#sync").__name__ == "SyncWorker"
    for bad in ("nothing", "collections.Nothing", "egg:no-such-thing#x", "egg:pytest#x"):
        with pytest.raises(RuntimeError, match="invalid or not found"):
            load_class(bad)


def test_an_installed_gunicorn_is_preferred():
    """Nothing of ours gets into a package that is the real one, not even what it lacks."""
    finder = _names.NameFinder({"gunicorn/__init__.py": "", "gunicorn/only_ours.py": ""})
    importlib.import_module("gunicorn")
    assert finder.find_spec("gunicorn.only_ours", []) is None
    assert finder.find_spec("gunicorn") is not None
