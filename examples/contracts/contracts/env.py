"""Reading settings from the environment."""

import os

_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"", "0", "false", "no", "off"}


def text(name: str, default: str = "") -> str:
    """The value of a variable; an empty one counts as not set."""
    return os.environ.get(name, "").strip() or default


def flag(name: str, default: bool) -> bool:
    """A variable that says yes or no; anything else is an error at start."""
    raw = os.environ.get(name)
    if raw is None:
        return default
    value = raw.strip().lower()
    if value in _TRUE:
        return True
    if value in _FALSE:
        return False
    raise ValueError(f"{name}={raw!r} is neither yes nor no")


def seconds(name: str, default: float) -> float:
    """A duration in seconds, zero or more."""
    raw = text(name)
    if not raw:
        return default
    value = float(raw)
    if not 0 <= value < float("inf"):
        raise ValueError(f"{name}={raw!r} is not a duration in seconds")
    return value
