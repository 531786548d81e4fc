"""Draws the report's figures as SVG: plots.py RESULTS.json FOLDER, with matplotlib.

Text stays text, and nothing in a file depends on when it is drawn: the same data give the same files.
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("svg")
import matplotlib.pyplot as plt

Record = dict[str, Any]

mpl.rcParams.update(
    {
        "svg.fonttype": "none",
        "svg.hashsalt": "gounicorn",
        "font.family": "sans-serif",
        "font.size": 9,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.color": "#e3e6ec",
        "legend.frameon": False,
        "figure.facecolor": "white",
        "axes.titlesize": 10,
        "axes.titleweight": "bold",
    }
)

# Ours stand out; every peer keeps its colour in all figures.
_COLOURS = {
    "gounicorn": "#0b5fff",
    "gounicorn-4t": "#0b5fff",
    "gounicorn-mt": "#00a3bf",
    "gounicorn-nice0": "#6b4fbb",
    "gunicorn": "#4d5566",
    "gthread": "#98a2b3",
    "gthread-4t": "#98a2b3",
    "granian": "#e5484d",
    "granian-4t": "#e5484d",
    "uwsgi": "#f5a524",
    "uwsgi-close": "#c98a1b",
    "uwsgi-http": "#e0b668",
    "bjoern": "#2f9e44",
    "fastwsgi": "#82c91e",
    "mod_wsgi": "#a0522d",
    "caddysnake": "#d6409f",
    "nginx": "#12805c",
}


def _style(key: str) -> dict[str, Any]:
    ours = key.startswith("gounicorn")
    return {
        "color": _COLOURS[key],
        "linestyle": "--" if key.endswith("-4t") else "-",
        "linewidth": 2.4 if ours else 1.4,
        "marker": "o" if ours else ".",
        "label": key,
        "zorder": 3 if ours else 2,
    }


def _servers(records: Sequence[Record]) -> list[str]:
    present = {record["server"] for record in records}
    return [key for key in _COLOURS if key in present]


def _median(values: Sequence[float]) -> float:
    return statistics.median(values) if values else float("nan")


def _bars(axes: Any, records: Sequence[Record], value: Callable[[Record], float], title: str) -> None:
    keys = _servers(records)[::-1]
    groups = [[value(record) for record in records if record["server"] == key] for key in keys]
    middle = [_median(group) for group in groups]
    spread = [
        [m - min(g) for m, g in zip(middle, groups, strict=True)],
        [max(g) - m for m, g in zip(middle, groups, strict=True)],
    ]
    axes.barh(keys, middle, color=[_COLOURS[key] for key in keys], xerr=spread, error_kw={"ecolor": "#333", "capsize": 2})
    axes.set_title(title, loc="left")
    axes.grid(axis="y", visible=False)
    for row, (number, group) in enumerate(zip(middle, groups, strict=True)):
        text = f"{number:,.0f}" if number >= 10 else f"{number:.1f}"
        axes.annotate(text, (max(group), row), (5, 0), textcoords="offset points", va="center", fontsize=7)
    axes.margins(x=0.15)


def hello(records: Sequence[Record]) -> Any:
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6), sharey=True)
    _bars(left, records, lambda record: record["rps"], "requests a second")
    _bars(right, records, lambda record: record["cpu_us"], "CPU µs a request, whole tree")
    return figure


def views(records: Sequence[Record]) -> Any:
    names = {"page": "Django page", "json": "JSON view", "megabyte": "1 MiB response", "post": "10 KB POST"}
    names |= {"upload": "10 MB upload", "close": "Connection: close"}
    figure, axes = plt.subplots(2, 3, figsize=(11, 6.4), sharey=True)
    for each, (name, title) in zip(axes.flat, names.items(), strict=True):
        flat = [record for record in records if record.get("view") == name and "rps" in record]
        if flat:
            _bars(each, flat, lambda record: record["rps"], f"{title}, requests/s")
    return figure


def _mixed(records: Sequence[Record], value: Callable[[Record], float], ylabel: str, log: bool) -> Any:
    loads = [(kind, route) for route in ("learned", "new") for kind in ("pdf", "wait")]
    loads = [load for load in loads if any((r["load"], r["route"]) == load for r in records)]
    figure, axes = plt.subplots(1, max(1, len(loads)), figsize=(3.2 * max(2, len(loads)) + 1.5, 4), sharey=log, squeeze=False)
    counts = sorted({record["visitors"] for record in records})
    for each, (kind, route) in zip(axes.flat, loads, strict=True):
        for key in _servers(records):
            mine = [
                r for r in records if r["server"] == key and (r["load"] == "idle" or (r["load"], r["route"]) == (kind, route))
            ]
            if all(record["load"] == "idle" for record in mine):
                continue
            points = []
            for number in counts:
                values = [value(record) for record in mine if record["visitors"] == number]
                values = [v for v in values if v == v]
                if values and (log or number):
                    points.append((counts.index(number), _median(values)))
            if points:
                each.plot(*zip(*points, strict=True), **_style(key))
        each.set_xticks(range(len(counts)), [str(number) for number in counts])
        each.set_xlabel("slow visitors")
        address = "same address" if route == "learned" else "address never seen"
        each.set_title(f"{'PDF (CPU)' if kind == 'pdf' else 'wait (I/O)'}, {address}", loc="left")
        if log:
            each.set_yscale("log")
        else:
            each.set_ylim(bottom=0)
            each.set_xlim(left=0.8)
    axes.flat[0].set_ylabel(ylabel)
    _legend(figure, axes.flat)
    return figure


def mixed_home(records: Sequence[Record]) -> Any:
    def value(record: Record) -> float:
        home = record["home"]
        return home["p99_ms"] if home["answered"] else float("nan")

    return _mixed(records, value, "home page p99, ms", log=True)


def mixed_slow(records: Sequence[Record]) -> Any:
    return _mixed(records, lambda record: record["slow"]["per_second"], "slow answers a second", log=False)


def overload(records: Sequence[Record]) -> Any:
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.8))
    for each, (kind, title) in zip(axes, {"page": "home pages", "pdf": "PDFs"}.items(), strict=True):
        mine = [record for record in records if record["kind"] == kind]
        for key in _servers(mine):
            group = [record for record in mine if record["server"] == key]
            levels = [point["level"] for point in group[0]["points"]]
            goodput = [_median([r["points"][i]["goodput"] / r["capacity"] for r in group]) for i in range(len(levels))]
            each.plot(levels, goodput, **_style(key))
        each.set_title(f"too many {title}", loc="left")
        each.set_xlabel("asked : capacity")
        each.set_ylim(bottom=0)
    axes[0].set_ylabel("goodput : capacity")
    _legend(figure, axes)
    return figure


def growth(records: Sequence[Record]) -> Any:
    figure, axes = plt.subplots(1, 3, figsize=(11, 3.6))
    byconnection = [record for record in records if "points" in record]
    for key in _servers(byconnection):
        group = [record for record in byconnection if record["server"] == key]
        counts = [point["connections"] for point in group[0]["points"]]
        for each, name in ((axes[0], "rps"), (axes[1], "p99_ms")):
            each.plot(counts, [_median([r["points"][i][name] for r in group]) for i in range(len(counts))], **_style(key))
    byworker = [record for record in records if "points" not in record]
    for key in _servers(byworker):
        group = [record for record in byworker if record["server"] == key]
        counts = sorted({record["workers"] for record in group})
        axes[2].plot(counts, [_median([r["rps"] for r in group if r["workers"] == n]) for n in counts], **_style(key))
    titles = ("requests a second", "p99, ms", "requests a second")
    for each, title, label in zip(axes, titles, ("connections", "connections", "workers"), strict=True):
        each.set_title(title, loc="left")
        each.set_xlabel(label)
        each.set_xscale("log", base=2)
        each.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes[1].set_yscale("log")
    for each in (axes[0], axes[2]):
        each.set_ylim(bottom=0)
    _legend(figure, axes)
    return figure


def memory(records: Sequence[Record]) -> Any:
    records = [record for record in records if "at_rest" in record]
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 2.4), sharey=True)
    _bars(left, records, lambda record: record["at_rest"]["pss_kb"] / 1024, "PSS at rest, MB")
    _bars(right, records, lambda record: record["after_requests"]["pss_kb"] / 1024, "PSS after pages, MB")
    return figure


def _legend(figure: Any, axes: Sequence[Any]) -> None:
    handles = {}
    for each in axes:
        for handle, label in zip(*each.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    figure.legend(handles.values(), handles.keys(), loc="outside right center")


_FIGURES = {
    "hello": ("hello", hello),
    "views": ("views", views),
    "mixed-home": ("mixed", mixed_home),
    "mixed-slow": ("mixed", mixed_slow),
    "overload": ("overload", overload),
    "growth": ("growth", growth),
    "memory": ("memory", memory),
}


def main(data: Path, folder: Path) -> None:
    everything = json.loads(data.read_text(encoding="utf-8"))["records"]
    good = [record for record in everything if "error" not in record and "missing" not in record]
    for name, (scenario, draw) in _FIGURES.items():
        target = folder / f"{name}.svg"
        records = [record for record in good if record["scenario"] == scenario]
        if not records:
            target.unlink(missing_ok=True)
            continue
        figure = draw(records)
        figure.set_layout_engine("constrained")
        figure.savefig(target, metadata={"Date": None, "Creator": None})
        plt.close(figure)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
