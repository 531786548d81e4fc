"""environ (PEP 3333; gunicorn's extra keys): values, types, freshness."""

import json
import os

import pytest
from master import GP, KEYS, encode


def dump(worker, **kwargs):
    r = worker.get(kwargs.pop("path", "/"), **kwargs)
    assert r.status == 200, worker.log()
    return json.loads(r.body)


def test_environ_has_the_required_keys_with_their_types(start):
    worker = start("environ_dump", environ={"extra.key": "extra value"})
    d = dump(worker, path="/a%20b?q=1", pairs={"HTTP_X_LITERAL_NAME": "caf\xe9", "HTTP_EMPTY": ""})
    assert d["type"] == "dict"
    e = {k: v[1] for k, v in d["environ"].items()}
    assert e["wsgi.version"] == "(1, 0)"
    assert (e["wsgi.multithread"], e["wsgi.multiprocess"], e["wsgi.run_once"]) == ("False", "True", "False")
    assert e["wsgi.input_terminated"] == "True"
    assert e["wsgi.url_scheme"] == "'http'"
    assert e["SERVER_SOFTWARE"] == "'gounicorn/test'"
    assert e["gunicorn.socket"] == "<gunicorn.socket: held by the master>"
    assert e["REQUEST_METHOD"] == "'GET'"
    assert e["RAW_URI"] == "'/a%20b?q=1'"
    assert e["QUERY_STRING"] == "'q=1'"
    assert e["SCRIPT_NAME"] == "''"
    assert e["HTTP_X_LITERAL_NAME"] == repr("caf\xe9")
    assert e["HTTP_EMPTY"] == "''"
    assert e["extra.key"] == "'extra value'"
    assert "FileWrapper" in e["wsgi.file_wrapper"]
    types = {k: v[0] for k, v in d["environ"].items()}
    assert types["wsgi.input"] == "Input"
    assert types["wsgi.errors"] == "TextIOWrapper"
    assert types["wsgi.early_hints"] == "EarlyHints"
    assert all(types[k] == "str" for k in types if k.isupper())
    assert "CONTENT_LENGTH" not in e


def test_the_socket_says_that_it_is_none(start):
    said = dump(start("socket"))
    assert said[:3] == ["False", "<gunicorn.socket: held by the master>", "True"]
    assert said[3].startswith("gunicorn.socket has no 'dup': the connection of the client is held by gounicorn's master")
    assert said[4].startswith("gunicorn.socket has no 'fileno': ")


def test_environ_is_fresh_in_every_request(start):
    # row 70
    worker = start("environ_dump")
    dump(worker, pairs={"HTTP_AUTHORIZATION": "secret", "HTTP_X_OTHER": "secret"}, body=b"secret")
    for _ in range(3):
        d = dump(worker)
        assert "secret" not in json.dumps(d)
        assert "leak" not in d["environ"]
        assert "wsgi.version" in d["environ"]
        assert "CONTENT_LENGTH" not in d["environ"]


def test_every_well_known_name_arrives_with_every_byte(start):
    worker = start("environ_dump")
    value = "".join(map(chr, range(256)))
    pairs = dict.fromkeys(KEYS[14:], value)
    for _ in range(2):  # the second time from the cache
        d = dump(worker, pairs=pairs)
        assert all(d["environ"][name] == ["str", repr(value)] for name in pairs)


def test_changing_values_are_not_mixed_up(start):
    worker = start("environ_dump")
    for i in range(20):
        d = dump(worker, pairs={"HTTP_HOST": f"host-{i % 3}", "HTTP_USER_AGENT": "x" * (i * 50)})
        assert d["environ"]["HTTP_HOST"][1] == repr(f"host-{i % 3}")
        assert d["environ"]["HTTP_USER_AGENT"][1] == repr("x" * (i * 50))


def test_values_that_come_again_and_again_follow_every_change(start):
    worker = start("environ_dump")
    methods = ["GET", "GET", "GET", "POST", "GET", "POST", "POST", "POST", "", "", "", "GET"]
    for i, method in enumerate(methods):
        address = f"10.0.0.{i // 3}"
        d = dump(worker, method=method, pairs={"REMOTE_ADDR": address, "SCRIPT_NAME": "/a" if i % 4 else ""})
        e = {k: v[1] for k, v in d["environ"].items()}
        assert (e["REQUEST_METHOD"], e["REMOTE_ADDR"], e["SCRIPT_NAME"]) == (
            repr(method),
            repr(address),
            repr("/a" if i % 4 else ""),
        )


def test_names_that_the_master_leaves_out_are_empty(start):
    # row 70: not what an earlier request had
    worker = start("environ_dump")
    for _ in range(4):
        assert dump(worker)["environ"]["REMOTE_ADDR"][1] == "'127.0.0.1'"
    worker.queue_slot(5, 7)
    payload = encode({"REQUEST_METHOD": "GET"}, b"", 0, inline=True)
    worker.raw(request_header(payload, 1, 5, 7) + payload)
    r = worker.response()
    e = json.loads(r.body)["environ"]
    for name in ("PATH_INFO", "REMOTE_ADDR", "SERVER_NAME", "SERVER_PROTOCOL", "wsgi.url_scheme"):
        assert e[name] == ["str", "''"]


def request_header(payload, pairs, slot, generation, flags=0, kind=None):
    from master import HEADER

    return HEADER.pack(len(payload), GP["KIND_REQUEST"] if kind is None else kind, flags, pairs, slot, generation)


def test_a_payload_larger_than_a_packet_comes_as_a_descriptor(start):
    worker = start("environ_dump")
    d = dump(worker, pairs={"HTTP_COOKIE": "c" * 200_000}, payload_fd=True)
    assert d["environ"]["HTTP_COOKIE"][1] == repr("c" * 200_000)
    fd = os.memfd_create("body")
    os.write(fd, b"body")
    d = dump(worker, pairs={"HTTP_COOKIE": "c" * 200_000}, payload_fd=True, body_fd=fd, body_size=4)
    assert d["environ"]["CONTENT_LENGTH"][1] == "'4'"
    os.close(fd)


def test_what_an_application_keeps_has_no_effect_later(start):
    worker = start("keep")
    assert worker.get("/first", body=b"line\nrest").body == b"kept"
    r = worker.get("/second")
    assert r.kinds == ["HEAD+END"]
    results = json.loads(r.body)
    assert results == {
        "old": "/first",
        "line": "line\n",
        "read": "",
        "next": [],
        "start": "start_response was called after its request had ended",
        "write": "write was called before start_response or after the response had ended",
    }


@pytest.mark.parametrize("how", ["", "raise"])
def test_the_environ_of_a_finished_request_is_freed(start, how):
    worker = start("weak")
    worker.get(f"/first?{how}")
    assert worker.get("/second").body == b"true"


MALFORMED = {
    "short": b"\x00" * 10,
    "wrong kind": lambda: request_header(b"\x00" * 8, 0, 1, 1, kind=17) + b"\x00" * 8,
    "length too large": lambda: request_header(b"\x00" * 9, 0, 1, 1) + b"\x00" * 8,
    "payload too short": lambda: request_header(b"\x00" * 7, 0, 1, 1) + b"\x00" * 7,
    "pair missing": lambda: framed(b"\x00" * 8, 1),
    "key unknown": lambda: framed(b"\x00" * 8 + b"\xff\x00\x00\x00\x00", 1),
    "value too long": lambda: framed(b"\x00" * 8 + b"\x01\x05\x00\x00\x00GET", 1),
    "value huge": lambda: framed(b"\x00" * 8 + b"\x01\xff\xff\xff\xffGET", 1),
    "literal name empty": lambda: framed(b"\x00" * 8 + b"\x00\x00\x00\x00\x00\x00\x00", 1),
    "literal name too long": lambda: framed(b"\x00" * 8 + b"\x00\xff\xffabc", 1),
    "literal value missing": lambda: framed(b"\x00" * 8 + b"\x00\x03\x00abc\x00", 1),
    "body too short": lambda: framed(b"\x05" + b"\x00" * 7 + b"abc", 0),
    "body too long": lambda: framed(b"\x02" + b"\x00" * 7 + b"abc", 0),
    "body huge": lambda: framed(b"\xff" * 8 + b"abc", 0),
    "descriptor missing": lambda: request_header(b"\x00" * 8, 0, 1, 1, flags=2) + b"\x00" * 8,
    "payload descriptor missing": lambda: request_header(b"\x00" * 8, 0, 1, 1, flags=4),
}


def framed(payload, pairs):
    return request_header(payload, pairs, 1, 1) + payload


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_packet_ends_the_worker(start, name):
    worker = start("hello")
    worker.queue_slot(1, 1)
    packet = MALFORMED[name]
    worker.raw(packet if isinstance(packet, bytes) else packet())
    assert "malformed request packet" in worker.stderr()
    assert worker.process.returncode == 1
    level, text = worker.log()
    assert (level, text) == (GP["LEVEL_CRITICAL"], "Worker fails: malformed request packet")


def test_descriptors_nobody_announced_are_malformed(start):
    worker = start("hello")
    worker.raw(framed(b"\x00" * 8, 0), [0])
    assert "malformed" in worker.stderr()


def test_a_body_file_shorter_than_announced_is_malformed(start):
    worker = start("hello")
    fd = os.memfd_create("body")
    os.write(fd, b"abc")
    worker.send(body_fd=fd, body_size=4)
    os.close(fd)
    assert "malformed" in worker.stderr()
