"""The stream behind the live page: one server-sent event a second."""

import json
import os
import random
import time
from collections.abc import Iterator, Sequence

from django.utils import timezone

# Seconds from one event to the next.
INTERVAL = 1.0
# An hour; the browser asks again when a stream ends.
MAX_EVENTS = 3600

ACTIONS = ("opened", "commented on", "sent a reminder for", "approved", "archived")
PEOPLE = ("Amina", "Bruno", "Clara", "Daniel", "Elena", "Frank", "Grace", "Hugo")


def events(contracts: Sequence[tuple[str, str]], count: int) -> Iterator[str]:
    """``count`` events about the given contracts, each a (number, title)."""
    began = time.monotonic()
    # Tells the browser how long to wait before it connects anew.
    yield "retry: 2000\n\n"
    for n in range(1, count + 1):
        number, title = random.choice(contracts) if contracts else ("", "nothing")
        data = {
            "n": n,
            "time": timezone.now().isoformat(timespec="milliseconds"),
            "pid": os.getpid(),
            "text": f"{random.choice(PEOPLE)} {random.choice(ACTIONS)}",
            "number": number,
            "title": title,
        }
        yield f"id: {n}\ndata: {json.dumps(data)}\n\n"
        if n < count:
            # Against the start, so that a slow reader causes no drift.
            time.sleep(max(0.0, began + n * INTERVAL - time.monotonic()))
    yield "event: end\ndata: {}\n\n"
