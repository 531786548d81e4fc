"""Leaves processes without a parent behind: /storm/N of them, which end with exit codes 0 to 5.

Every answer counts the zombies of the machine.
"""

import os
import subprocess

STORM = "i=0; while [ $i -lt %d ]; do (exit $((i %% 6)) &); i=$((i+1)); done"


def app(environ, start_response):
    what, _, count = environ["PATH_INFO"].strip("/").partition("/")
    if what == "storm":
        subprocess.run(["sh", "-c", STORM % int(count)], check=True)
    zombies = 0
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as f:
                    zombies += f.read().rpartition(b")")[2].split()[0] == b"Z"
            except (FileNotFoundError, ProcessLookupError):  # it has gone, before or after the open
                pass
    start_response("200 OK", [("Content-Type", "text/plain"), ("X-Pid", str(os.getpid()))])
    return [str(zombies).encode()]
