"""All cases, by subject."""

from . import cli, config, edge, hooks, logs, signals, wire

ALL = [*cli.CASES, *config.CASES, *hooks.CASES, *signals.CASES, *logs.CASES, *edge.CASES, *wire.CASES]
