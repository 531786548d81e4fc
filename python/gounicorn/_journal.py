"""Lines for the master's log, from the zygote and from workers alike: each has its control socket at the same descriptor."""

from __future__ import annotations

import os
import select
import socket
import struct

import _gounicorn_process as process

HEADER = struct.Struct("<IBBHII")  # length, kind, flags, aux, a, b
ERROR_LOG, ACCESS_LOG = 0, 1  # a of LOG
MAX_LEVEL = 0xFFFF


def write(level: int, text: str, log: int = ERROR_LOG) -> None:
    """Put a line into one of the master's logs; level is one of Python's logging. Any thread and signal handlers may call it."""
    payload = text.encode("utf-8", "backslashreplace")[: process.MAX_PACKET - HEADER.size]
    send(process.LOG, max(1, min(level, MAX_LEVEL)), payload, log)


def send(kind: int, aux: int, payload: bytes, a: int = 0) -> None:
    """Send the master a packet of a kind that carries text only. Any thread and signal handlers may call it."""
    packet = HEADER.pack(len(payload), kind, 0, aux, a, 0) + payload
    while True:
        try:
            os.write(process.FD_CONTROL, packet)
        except BlockingIOError:  # a worker's socket does not block
            select.select([], [process.FD_CONTROL], [])
            continue
        except OSError:
            pass  # the master has gone, which is noticed elsewhere
        return


def send_document(kind: int, text: bytes, a: int = 0) -> None:
    """Send the master a packet whose text may be of any size up to MAX_PAYLOAD_FD."""
    if HEADER.size + len(text) <= process.MAX_PACKET:
        send(kind, 0, text, a)
        return
    packet = HEADER.pack(len(text), kind, process.FLAG_PAYLOAD_FD, 0, a, 0)
    control = socket.socket(fileno=process.FD_CONTROL)
    try:
        with open(os.memfd_create("gounicorn-document"), "wb") as file:
            file.write(text)
            file.flush()
            while True:
                try:
                    socket.send_fds(control, [packet], [file.fileno()])
                except BlockingIOError:
                    select.select([], [control], [])
                    continue
                return
    except (BrokenPipeError, ConnectionResetError):
        pass  # the master has gone, which is noticed elsewhere
    finally:
        control.detach()
