"""The worker process of these tests: what the real worker's start-up does, with the application taken from apps.py."""

import ctypes
import json
import os
import signal
import struct
import sys
import threading
import time


def main() -> None:
    options = json.loads(sys.argv[1])
    sys.path.insert(0, options["module"])
    import _gounicorn
    import apps

    _gounicorn.configure(
        app=getattr(apps, options["app"]),
        worker=options["worker"],
        multiprocess=options["multiprocess"],
        multithread=options["threads"] > 1,
        max_requests=options["max_requests"],
        server_software="gounicorn/test",
        queue=options["queue"],
        scoreboard=options["scoreboard"],
        control=options["control"],
        errors=sys.stderr,
        environ=options["environ"],
        own_queue=options["own_queue"],
        slow_nice=options["slow_nice"],
        soft_timeout=apps.SoftTimeout,
        begin=getattr(apps, options["begin"]) if options["begin"] else None,
        end=getattr(apps, options["end"]) if options["end"] else None,
        tray=options["tray"],
    )
    signal.signal(_gounicorn.SOFT_SIGNAL, _gounicorn.soft_signal)
    threading.Thread(target=interrupt, args=(options["interrupts"], _gounicorn.__file__), daemon=True).start()
    streams = options["streams"]
    others = [threading.Thread(target=_gounicorn.serve, args=(i, streams[i])) for i in range(1, options["threads"])]
    for thread in others:
        thread.start()
    _gounicorn.serve(0, streams[0])
    for thread in others:
        thread.join()


def interrupt(fd: int, library: str) -> None:
    """Do what Go does for INTERRUPT: call without the GIL, again while it asks for that.

    Slot and generation come by a socket, which gets a byte after the first call.
    """
    call = ctypes.CDLL(library).gp_interrupt
    while pair := os.read(fd, 8):
        again = call(*map(ctypes.c_uint32, struct.unpack("<II", pair)))
        os.write(fd, b"!")
        while again:
            time.sleep(0.005)  # as Go does; a storm of signals would keep the thread from raising it
            again = call(*map(ctypes.c_uint32, struct.unpack("<II", pair)))


main()
