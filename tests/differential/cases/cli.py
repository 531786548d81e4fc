"""Command line, environment variables, application specs: sections 1.1 and 1.2 of what a user of gunicorn can rely on."""

from case import Case


def ask(*targets):
    def play(run):
        run.settle()
        for target in targets:
            run.get(target)

    return play


def works(name, args, *targets, **more):
    """A start that serves; the answers are compared."""
    return Case("cli/" + name, args, play=ask(*(targets or ("/",))), **more)


def ends(name, args="app:app", bare=True, **more):
    """A command that ends by itself; exit code and output are compared. One that gets as far as to bind is not bare."""
    return Case("cli/" + name, args, bare=bare, **more)


def printed(name, args="", **more):
    return ends(name, f"--print-config {args} app:app", **more)


CASES = [
    # argparse
    ends("version", "--version"),
    ends("version-short", "-v"),
    ends("version-beats-the-rest", "--version -w 3 app:app"),
    ends("unknown-flag", "--no-such-flag app:app"),
    ends("missing-value", "app:app --bind"),
    ends("not-a-number", "-w many app:app"),
    ends("negative-workers", "-w -1 app:app"),
    ends("ambiguous-prefix", "--access x app:app"),
    ends("no-application", ""),
    ends("bad-worker-class", "-k nonsense app:app"),
    ends("bad-bind", "-b 127.0.0.1:port app:app"),
    ends("bad-umask", "-m 9z app:app"),
    ends("bad-header-map", "--header-map maybe app:app"),
    ends("bad-proxy-protocol", "--proxy-protocol=maybe app:app"),
    ends("proxy-protocol-eats-the-application", "--proxy-protocol app:app"),
    ends("bad-user", "--user no-such-user app:app"),
    ends("bad-group", "--group no-such-group app:app"),
    ends("bad-forwarded-allow-ips", "--forwarded-allow-ips 10.0.0.1/8 app:app"),
    ends("chdir-missing", "--chdir /nonexistent/folder app:app"),
    ends("pidfile-in-missing-folder", bare=False, args="--pid /nonexistent/folder/p app:app"),
    ends("config-missing", "-c no-such-file.py app:app"),
    ends("eventlet", "-k eventlet app:app"),
    ends("bad-control-socket-mode", "--control-socket-mode x app:app"),
    works("prefix", "--access-logfi - app:app"),
    works("joined-short-value", "-w2 app:app", "/env?only=wsgi.multiprocess", workers=2),
    works("short-equals", "-w=2 app:app", "/env?only=wsgi.multiprocess", workers=2),
    works("long-equals", "--workers=2 app:app", "/env?only=wsgi.multiprocess", workers=2),
    works("flag-twice", "-w 1 -w 2 app:app", "/env?only=wsgi.multiprocess", workers=2),
    works("application-first", "app:app -w 2", "/env?only=wsgi.multiprocess", workers=2),
    works("application-between", "-w 2 app:app --access-logfile -", "/env?only=wsgi.multiprocess", workers=2),
    works("second-positional", "app:app other:app"),
    works("double-dash", "-w 1 -- app:app"),
    works("odd-spellings", "--limit-request-field_size 100 --log-file - --keep-alive 3 --proxy-allow-from 1.2.3.4 app:app"),
    works("proxy-protocol-bare-at-the-end", "app:app --proxy-protocol"),
    works("umask-forms", "-m 0o027 app:app", "/process?umask"),
    works("umask-old-octal", "-m 0027 app:app", "/process?umask"),
    works("umask-hex", "-m 0x17 app:app", "/process?umask"),
    works("raw-env", "-e COLOUR=red -e SIZE=a=b app:app", "/process?COLOUR", "/process?SIZE"),
    works("raw-env-replaces", "-e COLOUR=red app:app", "/process?COLOUR", env={"COLOUR": "blue"}),
    works("server-software-in-the-process", "app:app", "/process?software"),
    works("chdir", "--chdir sub inner:app", "/process?cwd", "/process?path0", files={"sub/inner.py": "from app import app\n"}),
    works("pythonpath", "--pythonpath lib,lib2 inner:app", files={"lib2/inner.py": "from app import app\n"}),
    Case(
        "cli/unix-bind",
        "-b unix:{dir}/s.sock app:app",
        bind=False,
        play=lambda run: (run.get("/env?only=REMOTE_ADDR,REMOTE_PORT,SERVER_NAME,SERVER_PORT", path="s.sock"), socket_mode(run)),
    ),
    Case(
        "cli/unix-bind-umask",
        "-m 007 -b unix:{dir}/s.sock app:app",
        bind=False,
        play=lambda run: (run.get(path="s.sock"), socket_mode(run)),
    ),
    Case(
        "cli/unix-and-tcp",
        "-b unix:{dir}/s.sock -b 127.0.0.1:0 app:app",
        bind=False,
        play=lambda run: (run.get(path="s.sock"), run.get()),
    ),
    works("sync-with-threads-is-gthread", "--threads 2 app:app", "/env?only=wsgi.multithread"),
    works("gthread", "-k gthread app:app", "/env?only=wsgi.multithread"),
    works("preload", "--preload app:app"),
    # environment variables
    works("cmd-args", "app:app", "/env?only=wsgi.multiprocess", env={"GUNICORN_CMD_ARGS": "--workers 2 -e A=1"}, workers=2),
    works("cmd-args-lose", "-w 1 app:app", "/env?only=wsgi.multiprocess", env={"GUNICORN_CMD_ARGS": "--workers=2"}),
    works("cmd-args-quotes", "app:app", "/process?A", env={"GUNICORN_CMD_ARGS": "-e 'A=b c' -w 2"}, workers=2),
    works("cmd-args-positional-is-ignored", "app:app", env={"GUNICORN_CMD_ARGS": "other:app"}),
    ends("cmd-args-unknown-flag", env={"GUNICORN_CMD_ARGS": "--nonsense"}),
    ends("cmd-args-unclosed-quote", env={"GUNICORN_CMD_ARGS": "-e 'A"}),
    works("web-concurrency", "app:app", "/env?only=wsgi.multiprocess", env={"WEB_CONCURRENCY": "2"}, workers=2),
    works("web-concurrency-loses", "-w 1 app:app", "/env?only=wsgi.multiprocess", env={"WEB_CONCURRENCY": "2"}),
    ends("web-concurrency-empty", env={"WEB_CONCURRENCY": ""}),
    ends("web-concurrency-no-number", env={"WEB_CONCURRENCY": "two"}),
    works("script-name", "app:app", "/mount/env?only=SCRIPT_NAME,PATH_INFO", "/else", env={"SCRIPT_NAME": "/mount"}),
    Case("cli/port", "app:app", bind=False, env={"PORT": "{port}"}, play=ask("/")),
    # what a configuration looks like
    printed("print-config"),
    printed(
        "print-config-many", "-w 3 --threads 2 -t 7 --max-requests 9 --name x -e A=1 --preload --bind [::1]:81 --bind unix:/a"
    ),
    printed(
        "print-config-more", "--log-level debug --access-logfile - --proxy-protocol=v2 --umask 0o22 --backlog 3 --statsd-host a:1"
    ),
    printed("print-config-environment", env={"PORT": "81", "WEB_CONCURRENCY": "3", "FORWARDED_ALLOW_IPS": "10.0.0.0/8"}),
    printed("print-config-cmd-args", "-w 2", env={"GUNICORN_CMD_ARGS": "-w 4 --threads 3"}),
    printed("print-config-lists-replace", "-b 127.0.0.1:1", conf="bind = ['127.0.0.1:2', '127.0.0.1:3']\nworkers = 3\n"),
    printed("print-config-hooks", conf="def post_fork(server, worker):\n    pass\n\n\ntimeout = 0\n"),
    ends("check-config", "--check-config app:app"),
    ends("check-config-no-such-module", "--check-config nowhere:app"),
    ends("check-config-no-such-name", "--check-config app:nothing"),
    ends("check-config-not-callable", "--check-config app:TEXT"),
    ends("check-config-raises", "--check-config bad:app", files={"bad.py": "raise RuntimeError('oh')\n"}),
    ends("check-config-bad-file", "--check-config app:app", conf="workers = \n"),
    # application specs
    works("spec-module-only", "app"),
    works("spec-factory", "app:factory()"),
    works("spec-factory-arguments", "\"app:factory('a', k=1)\""),
    works("spec-dotted", "package.web:app", files={"package/__init__.py": "", "package/web.py": "from app import app\n"}),
    works("spec-nested-name", "app:application"),
    *(
        ends(
            "spec-" + name,
            f'"{spec}"',
            files={
                "bad.py": "import nowhere_to_be_found\n",
                "syntax.py": "def (:\n",
                "leave.py": "import sys\nsys.exit(3)\n",
                "none.py": "def make():\n    return None\n",
            },
            bare=False,
        )
        for name, spec in {
            "no-module": "nowhere:app",
            "no-name": "app:nothing",
            "not-callable": "app:TEXT",
            "bad-expression": "app:(",
            "not-a-name": "app:ROUTES['/env']",
            "not-literal": "app:factory(os)",
            "attribute-call": "app:a.b()",
            "wrong-arguments": "app:factory(1, 2, 3)",
            "factory-of-none": "none:make()",
            "file-name": "app.py",
            "import-fails": "bad:app",
            "syntax-error": "syntax:app",
            "exits": "leave:app",
            "empty-name": "app:",
        }.items()
    ),
    ends("preload-import-fails", "--preload bad:app", bare=False, files={"bad.py": "import nowhere_to_be_found\n"}),
    ends("preload-no-name", "--preload app:nothing", bare=False),
]


def socket_mode(run):
    import os
    import stat

    run.note("mode", stat.filemode(os.stat(run.dir / "s.sock").st_mode))
