"""Configuration files: where they are found, how they are evaluated, what wins. Section 1.1."""

from case import Case


def serves(name, conf=None, args="app:app", targets=("/",), **more):
    def play(run):
        run.settle()
        for target in targets:
            run.get(target)

    return Case("config/" + name, args, conf=conf, play=play, **more)


def says(name, conf, args="app:app", **more):
    """A configuration that keeps the server from starting."""
    return Case("config/" + name, args, conf=conf, bare=True, **more)


def shows(name, conf, args="", **more):
    return says(name, conf, f"--print-config {args} app:app", **more)


NAME = "raw_env = ['WHICH={}']\n"
WHICH = ("/process?WHICH",)
INNER = {"sub/inner.py": "from app import app\n"}
CASES = [
    serves("found-in-the-start-folder", NAME.format("default"), targets=WHICH),
    serves("by-flag", NAME.format("default"), "-c other.py app:app", WHICH, files={"other.py": NAME.format("other")}),
    serves("file-prefix", None, "-c file:other.py app:app", WHICH, files={"other.py": NAME.format("other")}),
    serves(
        "python-prefix",
        None,
        "-c python:package.conf app:app",
        WHICH,
        files={"package/__init__.py": "", "package/conf.py": NAME.format("module")},
    ),
    serves("other-suffix", None, "-c settings.txt app:app", WHICH, files={"settings.txt": NAME.format("text")}),
    serves("in-a-folder", None, "-c etc/gunicorn.py app:app", WHICH, files={"etc/gunicorn.py": NAME.format("etc")}),
    serves(
        "by-cmd-args",
        NAME.format("default"),
        targets=WHICH,
        files={"other.py": NAME.format("other")},
        env={"GUNICORN_CMD_ARGS": "-c other.py"},
    ),
    serves(
        "flag-beats-cmd-args",
        None,
        "-c one.py app:app",
        WHICH,
        files={"one.py": NAME.format("one"), "two.py": NAME.format("two")},
        env={"GUNICORN_CMD_ARGS": "-c two.py"},
    ),
    serves(
        "before-chdir",
        NAME.format("start"),
        "--chdir sub inner:app",
        WHICH,
        files={**INNER, "sub/gunicorn.conf.py": NAME.format("sub")},
    ),
    serves("chdir-in-the-file", "chdir = 'sub'\n", "inner:app", ("/process?cwd",), files=INNER),
    serves("wsgi-app", "wsgi_app = 'app:factory(\"conf\")'\n", ""),
    serves("wsgi-app-and-positional", "wsgi_app = 'app:factory(\"conf\")'\n", "app:app"),
    serves("name-and-file", "import spy\nspy.say('conf', __name__, __file__)\n"),
    serves(
        "imports-beside-it",
        "import helper\nraw_env = helper.ENV\n",
        targets=WHICH,
        files={"helper.py": "ENV = ['WHICH=helper']\n"},
    ),
    serves("unknown-names", "no_such_setting = 1\nPRELOAD_APP = True\nWorkers = 5\n", targets=("/env?only=wsgi.multiprocess",)),
    serves("private-names-and-modules", "import os\n_workers = 5\nbind_host = 'x'\n"),
    serves(
        "computed",
        "import multiprocessing, os\nworkers = min(multiprocessing.cpu_count(), 1)\ntimeout = int(os.environ.get('T', '5'))\n",
    ),
    serves("environment", "import os\nraw_env = ['WHICH=' + os.environ['FROM']]\n", targets=WHICH, env={"FROM": "outside"}),
    serves("sets-environment", "import os\nos.environ['WHICH'] = 'set by the file'\n", targets=WHICH),
    serves("prints", "print('configuring')\n"),
    serves(
        "dotted-hook",
        "post_worker_init = 'helper.init'\n",
        files={"helper.py": "import spy\ndef init(worker):\n    spy.say('dotted')\n"},
    ),
    serves("lambda-hook", "import spy\npost_worker_init = lambda worker: spy.say('lambda')\n"),
    serves(
        "callable-object-hook",
        "import spy\nclass Init:\n    def __call__(self, worker):\n        spy.say('object')\npost_worker_init = Init()\n",
    ),
    serves("worker-class-object", "from gunicorn.workers.sync import SyncWorker\nworker_class = SyncWorker\n"),
    serves("worker-class-path", "worker_class = 'gunicorn.workers.sync.SyncWorker'\n"),
    serves("bytes-and-numbers-as-text", "workers = '1'\ntimeout = '7'\nbacklog = '9'\n"),
    # precedence
    serves("flag-beats-file", NAME.format("file"), "-e WHICH=flag app:app", WHICH),
    serves("cmd-args-beat-file", NAME.format("file"), targets=WHICH, env={"GUNICORN_CMD_ARGS": "-e WHICH=variable"}),
    serves(
        "flag-beats-cmd-args-value",
        NAME.format("file"),
        "-e WHICH=flag app:app",
        WHICH,
        env={"GUNICORN_CMD_ARGS": "-e WHICH=variable"},
    ),
    serves("file-beats-environment", "workers = 1\n", targets=("/env?only=wsgi.multiprocess",), env={"WEB_CONCURRENCY": "3"}),
    serves(
        "lists-are-replaced",
        "raw_env = ['A=1', 'WHICH=file']\n",
        "-e B=2 app:app",
        ("/process?A", "/process?B", "/process?WHICH"),
    ),
    # forms of values
    shows("forms-lists", "bind = ['127.0.0.1:1', '127.0.0.1:2']\nforwarded_allow_ips = '10.0.0.0/8, 1.2.3.4'\nraw_env = 'A=1'\n"),
    shows("forms-bools", "preload_app = 'true'\ncapture_output = 'False'\nreuse_port = True\nproxy_protocol = True\n"),
    shows("forms-none", "pidfile = None\naccesslog = None\nworker_tmp_dir = None\nuser = None\n"),
    says("bind-two-in-one-text", "bind = '127.0.0.1:1,127.0.0.1:2'\n"),
    says("bind-two-in-one-text-checked", "bind = '127.0.0.1:1,127.0.0.1:2'\n", "--check-config app:app"),
    says("bind-none-checked", "bind = None\n", "--check-config app:app"),
    shows("forms-umask", "umask = '0o27'\n"),
    shows("forms-dicts", "secure_scheme_headers = {'x-a': 'b'}\nlogconfig_dict = {'version': 1}\n"),
    shows("forms-sendfile", "sendfile = False\nstatsd_host = 'unix:///run/s'\nuser = 'nobody'\ngroup = 'nogroup'\n"),
    shows("hooks-are-named", "def on_starting(server):\n    pass\n\n\npost_fork = lambda server, worker: None\n"),
    # faults
    says("bad-number", "workers = 'many'\n"),
    says("negative", "workers = -3\n"),
    says("bad-bool", "preload_app = 3\n"),
    says("bad-text", "pidfile = 3\n"),
    says("bad-bool-text", "preload_app = 'maybe'\n"),
    says("bad-list", "raw_env = 3\n"),
    says("bad-dict", "secure_scheme_headers = []\n"),
    says("bad-hook", "post_fork = 3\n"),
    says("bad-hook-name", "post_fork = 'nowhere.hook'\n"),
    says("hook-arity", "def post_fork(server):\n    pass\n"),
    says("post-request-arity", "def post_request(worker):\n    pass\n"),
    says("two-bad-values", "workers = 'many'\nthreads = 'more'\n"),
    says("syntax-error", "workers = (\n"),
    says("raises", "raise RuntimeError('not today')\n"),
    says("import-fails", "import nowhere_to_be_found\n"),
    says("exits", "import sys\nsys.exit(9)\n"),
    says("bad-raw-env", "raw_env = ['NOVALUE']\n", "--check-config app:app"),
    says("module-missing", None, "-c python:nowhere app:app"),
    says("folder-instead", None, "-c sub app:app", files={"sub/x": ""}),
]
