"""wsgi.input over bytes and over a file: the same answers."""

import hashlib
import io
import json
import os

import pytest
from master import GP, wait_until

CASES = [
    "f.read()",
    "f.read(-1)",
    "f.read(None)",
    "f.read(0)",
    "f.read(3)",
    "f.read(10**9)",
    "[f.read(4), f.read(4), f.read(), f.read()]",
    "f.readline()",
    "f.readline(3)",
    "f.readline(-1)",
    "f.readline(None)",
    "f.readline(0)",
    "[f.readline() for _ in range(6)]",
    "f.readlines()",
    "f.readlines(7)",
    "f.readlines(0)",
    "f.readlines(-1)",
    "list(f)",
    "[f.read(2), list(f), f.read(), list(f)]",
    "[f.readline(), f.read(5), f.readline(), f.readlines()]",
]
BODIES = {
    "lines": b"first\nsecond\n\nlast without end",
    "empty": b"",
    "one": b"\n",
    "long": (b"x" * 70_000 + b"\n") * 3 + b"y" * 200_000 + b"\nend",
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("by_file", [False, True], ids=["memory", "file"])
def test_input_reads_as_a_file_does(start, body, by_file, module):
    worker = start("body")
    if by_file:
        fd = os.memfd_create("body")
        os.write(fd, body + b"not part of it")
    for case in CASES:
        want = eval(case, {"f": io.BytesIO(body)})
        if by_file:
            r = worker.get(f"/?{case}", body_fd=fd, body_size=len(body))
        else:
            r = worker.get(f"/?{case}", body=body, payload_fd=len(body) > 60_000)
        assert json.loads(r.body) == repr(want), case
    if by_file:
        os.close(fd)


@pytest.mark.parametrize("case", ["f.read('x')", "f.read(1.5)", "f.read(1, 2)", "f.readline('x')", "f.readlines(b'')"])
def test_wrong_arguments_are_type_errors(start, case):
    worker = start("body")
    assert "TypeError" in json.loads(worker.get(f"/?{case}", body=b"abc").body)


def test_a_large_file_is_read_in_blocks(start):
    worker = start("body_hash")
    block = os.urandom(1 << 20)
    fd = os.memfd_create("body")
    for _ in range(40):
        os.write(fd, block)
    want = hashlib.sha256(block * 40).hexdigest()
    for size in (1000, 65536, 65537, 1 << 20, 1 << 26):
        assert json.loads(worker.get(f"/?{size}", body_fd=fd, body_size=40 << 20).body) == [40 << 20, want]
    os.close(fd)


def test_a_sparse_file_beyond_four_gigabytes(start):
    worker = start("zoo")
    fd = os.memfd_create("body")
    os.ftruncate(fd, (5 << 30) + 3)
    os.pwrite(fd, b"a\nz", 5 << 30)
    expression = (
        "[[e['wsgi.input'].read(1<<26) and None for _ in range(80)], ok([e['wsgi.input'].readline()+e['wsgi.input'].read()])][1]"
    )
    r = worker.get(f"/?{expression}", body_fd=fd, body_size=(5 << 30) + 3)
    assert r.body == b"a\nz"
    os.close(fd)


def test_a_file_that_shrank_is_an_error_not_a_short_body(start):
    worker = start("zoo")
    fd = os.memfd_create("body")
    os.write(fd, b"abcdef")
    shrink = "__import__('os').truncate(f'/proc/{__import__(\"os\").getppid()}/fd/"
    shrink += f"{fd}',2)"
    r = worker.get(f"/?[{shrink},e['wsgi.input'].read()]", body_fd=fd, body_size=6)
    assert r.abort == GP["ABORT_RAISED"]
    assert "OSError: [Errno 5]" in worker.log()[1]
    os.close(fd)


def test_the_file_is_closed_when_the_request_ends(start):
    worker = start("zoo")
    fd = os.memfd_create("body")
    os.write(fd, b"abc")
    listing = f"/proc/{worker.process.pid}/fd"
    worker.get("/?ok([b'x'])")
    before = len(os.listdir(listing))
    worker.get("/?[KEPT.append(e),ok([b'x'])][1]", body_fd=fd, body_size=3)
    wait_until(lambda: len(os.listdir(listing)) == before, "the body's descriptor to be closed")
    assert worker.get("/?ok([KEPT[0]['wsgi.input'].read()+b'|'])").body == b"|"
    os.close(fd)
