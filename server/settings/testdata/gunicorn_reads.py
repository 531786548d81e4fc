"""Answers, one JSON line for each line of standard input, how gunicorn itself reads settings.

{"known": true}                    -> every setting: name, flags, and its default as --print-config shows it
{"args": [...], "env_args": "..."} -> {"exit": 2}, {"exit": 1, "error": ...} or {"values": {...}, "app": ...}
{"name": ..., "value": ...}        -> {"error": ...} or {"text": ...}: a value of a config file
{"split": "..."}                   -> {"error": ...} or {"words": [...]}
"""

import contextlib
import io
import json
import os
import shlex
import sys

from gunicorn.config import KNOWN_SETTINGS, Config


def shown(value):
    return f"<{value.__qualname__}()>" if callable(value) else f"{value}"


def everything(cfg):
    return {name: shown(setting.value) for name, setting in cfg.settings.items()}


def known():
    cfg = Config()
    return {
        "settings": [
            {"name": s.name, "flags": s.cli or [], "hook": callable(s.default), "default": shown(cfg.settings[s.name].value)}
            for s in KNOWN_SETTINGS
        ]
    }


PARSER = Config(prog="gunicorn").parser()
PARSER.print_usage = lambda file=None: None  # nearly all the time of a wrong command line, and nobody reads it
BY_NAME = {s.name: s for s in KNOWN_SETTINGS}


def command_line(args, env_args):
    cfg = Config()
    parser = PARSER
    try:
        with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
            given = parser.parse_args(args)
            environment = parser.parse_args(shlex.split(env_args))
    except SystemExit as e:
        return {"exit": e.code}
    except ValueError as e:
        return {"exit": 1, "error": str(e)}
    try:
        for layer in environment, given:
            for name, value in vars(layer).items():
                if value is not None and name != "args":
                    cfg.set(name, value)
    except Exception as e:  # as gunicorn's Application does
        return {"exit": 1, "error": str(e)}
    return {"values": everything(cfg), "app": (given.args or [""])[0]}


def config_value(name, value):
    setting = BY_NAME[name]()
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            setting.set(value)
    except Exception as e:  # as gunicorn's Application does
        return {"error": str(e)}
    return {"text": shown(setting.value)}


def split(text):
    try:
        return {"words": shlex.split(text)}
    except ValueError as e:
        return {"error": str(e)}


def answer(question):
    if "known" in question:
        return known()
    if "args" in question:
        return command_line(question["args"], question["env_args"])
    if "split" in question:
        return split(question["split"])
    return config_value(question["name"], question["value"])


os.environ.pop("GUNICORN_CMD_ARGS", None)
for line in sys.stdin:
    print(json.dumps(answer(json.loads(line))))
