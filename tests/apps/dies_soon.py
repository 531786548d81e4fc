"""An application whose workers die some milliseconds after they have loaded it (DIES_AFTER), once the test has opened `die`."""

import os
import threading
import time

import canary
import testsync


def _die():
    testsync.mark("loaded")
    testsync.wait("die", 600)
    time.sleep(int(os.environ.get("DIES_AFTER", "50")) / 1000)
    os._exit(3)


threading.Thread(target=_die, daemon=True).start()
app = canary.app
