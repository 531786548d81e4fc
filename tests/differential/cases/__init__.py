"""All cases, by subject."""

from . import cli, config, edge, hooks, logs, projects, signals, wire

ALL = [*cli.CASES, *config.CASES, *hooks.CASES, *signals.CASES, *logs.CASES, *edge.CASES, *wire.CASES, *projects.CASES]
