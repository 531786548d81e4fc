"""Reads HTTP answers off a socket into lines that can be compared: meaning, not the order of the server's own fields."""

import re
import socket

SERVERS_OWN = ("server", "date", "connection", "transfer-encoding", "content-length")


class Reader:
    def __init__(self, sock):
        self.sock, self.buffer, self.end = sock, b"", None

    def more(self):
        if self.end is not None:
            return False
        try:
            data = self.sock.recv(65536)
        except ConnectionResetError:
            self.end = "reset"
            return False
        except TimeoutError:
            self.end = "silence"
            return False
        if not data:
            self.end = "closed"
            return False
        self.buffer += data
        return True

    def until(self, mark):
        while mark not in self.buffer:
            if not self.more():
                return None
        head, _, self.buffer = self.buffer.partition(mark)
        return head

    def exactly(self, count):
        while len(self.buffer) < count and self.more():
            pass
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    def rest(self):
        while self.more():
            pass
        data, self.buffer = self.buffer, b""
        return data


def talk(sock, data, answers, end):
    """Sends data and reads so many answers. The lines say everything that a client can see of them."""
    return "\n".join(_talk(sock, data, answers, end)).split("\n")


def _talk(sock, data, answers, end):
    reader = Reader(sock)
    try:
        sock.sendall(data)
        if end:
            sock.shutdown(socket.SHUT_WR)
    except OSError as error:
        if not isinstance(error, (BrokenPipeError, ConnectionResetError)):
            raise
    methods = [part.partition(b" ")[0] for part in data.split(b"\r\n\r\n") if part]
    lines, number = [], 0
    while number < answers:
        head = reader.until(b"\r\n\r\n")
        if head is None:
            rest = reader.rest()
            lines.append(f"then: {reader.end} without an answer" + (f": {rest!r}" if rest else ""))
            return lines
        text = head.decode("latin-1").split("\r\n")
        lines.append("status: " + text[0])
        fields = [line.partition(":")[::2] for line in text[1:]]
        own = {name.lower(): value.strip() for name, value in fields if name.lower() in SERVERS_OWN}
        lines += [f"field: {name}:{value}" for name, value in fields if name.lower() not in SERVERS_OWN]
        if text[0].split()[1:2] and text[0].split()[1].startswith("1") and text[0].split()[1] != "101":
            continue
        bodiless = (number < len(methods) and methods[number] == b"HEAD") or text[0].split()[1:2] in (["204"], ["304"], ["101"])
        number += 1
        lines.append("connection: " + own.get("connection", "not said"))
        lines.append(
            "server: "
            + own.get("server", "not said").replace("gounicorn", "gunicorn").replace("gunicorn", "NAME")
            + (" with date" if "date" in own else " without date")
        )
        complete = True
        if bodiless:
            lines.append("body: none, framing " + framing(own))
        elif "chunked" in own.get("transfer-encoding", ""):
            body, chunks, complete = chunked(reader)
            lines += ["framing: chunked " + " ".join(map(str, chunks)), "body: " + shown(body)]
        elif "content-length" in own:
            length = int(own["content-length"])
            body = reader.exactly(length)
            complete = len(body) == length
            lines += ["framing: length", "body: " + shown(body)]
        else:
            lines += ["framing: end of the connection", "body: " + shown(reader.rest())]
        if not complete:
            lines.append("body: is incomplete")
        if not complete or own.get("connection", "").lower() == "close" or reader.end:
            rest = reader.rest()
            lines.append(f"then: {reader.end}" + (f" after {rest!r}" if rest else ""))
            if number < answers:
                lines.append(f"then: {answers - number} answers are missing")
            return lines
    lines.append("then: open")
    return lines


def framing(own):
    return (
        "chunked" if "transfer-encoding" in own else "length " + own["content-length"] if "content-length" in own else "not said"
    )


def chunked(reader):
    body, sizes = b"", []
    while True:
        line = reader.until(b"\r\n")
        if line is None:
            return body, sizes, False
        size = int(line.split(b";")[0], 16)
        data = reader.exactly(size + 2)
        if len(data) < size + 2:
            return body + data, sizes, False
        if size == 0:
            return body, sizes, True
        sizes.append(size)
        body += data[:-2]


PAGE = re.compile(
    r"<html>\s+<head>\s+<title>(.*)</title>\s+</head>\s+<body>\s+<h1><p>(.*)</p></h1>\n[ ]*(.*)\n[ ]*</body>\s+</html>\s*",
    re.DOTALL,
)


def shown(body):
    page = PAGE.fullmatch(body.decode("latin-1"))
    if page and page[1] == page[2]:
        return f"page {page[1]}\nbody: page says {page[3]}"
    return body.decode("utf-8", "backslashreplace").replace("\r", "\\r").rstrip("\n").replace("\n", "\nbody: ")
