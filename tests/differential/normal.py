"""Makes what two servers wrote comparable: times, pids, ports, folders and versions become words; nothing else is changed."""

import pathlib
import re

RECORD = re.compile(
    r"^\[(?P<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4})\] \[(?P<pid>\d+)\] \[(?P<level>[A-Z]+)\] (?P<text>.*)$"
)
#: What tells the servers apart wherever they name themselves, and is no difference.
NAMES = [
    (re.compile(r"\bgunicorn[ /]27\.0\.1"), "NAME VERSION"),
    (re.compile(r"\bgounicorn[ /]\d+\.\d+\.\d+"), "NAME VERSION"),
    (re.compile(r"^go?unicorn: error"), "NAME: error"),
    (re.compile(r"^usage: go?unicorn "), "usage: NAME "),
    (re.compile(r"^go?unicorn \(version .*\)"), "NAME (version VERSION)"),
]
FRAME = re.compile(r'^\s+File "(?P<file>[^"]+)", line (?P<line>\d+), in (?P<name>.+)$')
WORDS = [
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}"), "TIME"),
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?([+-]\d\d:?\d\d|Z)?"), "TIME"),
    (re.compile(r"\[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\]"), "[TIME]"),
    (re.compile(r"\bpid: ?\d+"), "pid: PID"),
    (re.compile(r"\(pid:\d+\)"), "(pid:PID)"),
    (re.compile(r"<\d+>"), "<PID>"),
    (re.compile(r"0x[0-9a-f]{6,}"), "0xADDRESS"),
    (re.compile(r"(?<=127\.0\.0\.1:)\d{5}\b"), "PORT"),
    (re.compile(r"^Arguments: \{.*"), "Arguments: {...}"),
    (re.compile(r"<Worker \d+>"), "<Worker PID>"),
]


#: What gunicorn writes by chance: it repeats TERM, and a worker that is leaving already may die of the second one.
CHANCE = re.compile(r"master INFO Worker \(pid: ?PID\) was sent SIGTERM!")


def words(line, run):
    line = line.replace(str(run.dir), "DIR")
    for pattern, word in NAMES + WORDS:
        line = pattern.sub(word, line)
    line = re.sub(rf"\b{run.pid}\b", "MAIN", line)
    for port in getattr(run, "ports", None) or ():
        line = re.sub(rf"(?<=:){port}\b", "PORT", line)
    for name, number in run.numbers.items():
        line = re.sub(rf"\b{number}\b", name.upper(), line)
    line = re.sub(r"(Listening at: .*) \(\d+\)", r"\1 (PID)", line)
    for pid in sorted({e[0] for e in run.events()}, reverse=True):
        line = re.sub(rf"\b{pid}\b", "PID", line)
    return line


def answers(lines, run):
    """Without the client's own port, the server's, and the folder."""
    lines = [line.replace(str(run.dir), "DIR") for line in lines]
    for pattern, word in NAMES:
        lines = [pattern.sub(word, line) for line in lines]
    lines = [re.sub(rf"\b{run.port}\b", "PORT", line) if run.port else line for line in lines]
    return [re.sub(r"(REMOTE_PORT=)'\d{4,5}'", r"\1'CLIENT'", line) for line in lines]


def access(lines, run):
    """The size of an answer that shows the environ follows from values that are compared themselves."""
    return [re.sub(r'("[A-Z]+ \S*/env\S* \S+" 200) \d+', r"\1 SIZE", words(line, run)) for line in lines]


def log(text, run):
    """The records of a log, those of the master in their order, then those of the others, sorted.

    Lines that are no record follow the record before them; of a traceback the frames outside the case's folder are dropped.
    """
    main, others, loose, into = [], [], [], None
    for line in traceback_frames(text.splitlines(), run):
        found = RECORD.match(line)
        if found is None:
            # What an application prints comes at any moment; behind an error stands its traceback.
            if into and re.match(r"\w+ (ERROR|WARNING|CRITICAL) ", into[-1][0]):
                into[-1].append("  " + words(line, run))
            else:
                loose.append(words(line, run))
            continue
        who = "master" if int(found["pid"]) == run.pid else "worker"
        record = [f"{who} {found['level']} {words(found['text'], run)}"]
        into = main if who == "master" else others
        into.append(record)
    records = [loose, *main, *sorted(others, key=_text)]
    return [line for record in records for line in record if line.strip() and not CHANCE.fullmatch(line)]


def _text(record):
    """The key by which records are sorted: the level, which may be what differs, counts last."""
    who, level, text = record[0].split(" ", 2)
    return [text, *record[1:], who, level]


def traceback_frames(lines, run):
    """The lines without the frames that belong to a server or to Python, and without what Python marks in them."""
    kept, skip = [], False
    for line in lines:
        frame = FRAME.match(line)
        if frame:
            skip = not pathlib.PurePath(frame["file"]).is_relative_to(run.dir)
            if not skip:
                kept.append(f"  File {frame['file']} in {frame['name']}")
            continue
        if line.startswith("    ") and (skip or re.fullmatch(r"[\s^~]+", line)) and not RECORD.match(line):
            continue
        skip = False
        kept.append(line)
    return kept


def events(found, run):
    """The events with the role of their process. With one worker their order is the order of time, else each process' own."""
    arbiters, workers, entries = {run.pid}, [], []
    if run.kind != "gunicorn":
        arbiters = {e[0] for e in found if e[1] == run.pid} or {run.pid}
    for pid, _, what, *values in found:
        role = "arbiter" if pid in arbiters else "worker"
        if role == "worker" and pid not in workers:
            workers.append(pid)
        entries.append((pid, " ".join([f"{role}: {what}", *map(str, values)]).replace(str(run.dir), "DIR")))
    if len(workers) <= 1:
        return [text for _, text in entries]
    own = {pid: [text for p, text in entries if p == pid] for pid in workers}
    return [t for p, t in entries if p not in own] + [t for texts in sorted(own.values()) for t in texts]


def packets(found, run):
    """The packets, sorted. The priority of syslog is no pid."""
    texts = [re.sub(r"^<(?=\d+>)", "<priority ", p.decode("utf-8", "replace")) for p in found]
    return sorted(re.sub(r"duration:[\d.]+", "duration:TIME", words(text, run)).rstrip("\0\n") for text in texts)
