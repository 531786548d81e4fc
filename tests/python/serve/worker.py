"""The worker process of these tests: what the real worker's start-up does, with the application taken from apps.py."""

import json
import sys
import threading


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
    )
    streams = options["streams"]
    others = [threading.Thread(target=_gounicorn.serve, args=(i, streams[i])) for i in range(1, options["threads"])]
    for thread in others:
        thread.start()
    _gounicorn.serve(0, streams[0])
    for thread in others:
        thread.join()


main()
