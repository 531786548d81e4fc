"""Errors reach a Telegram chat; a server on loopback stands for Telegram."""

import json
import logging
import os
import queue
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from contracts.telegram import MAX_MESSAGE, TelegramFormatter, TelegramHandler
from django.test import Client, SimpleTestCase

# Generous: a message on loopback takes milliseconds.
DEADLINE = 10


class FakeTelegram(ThreadingHTTPServer):
    """Keeps what is posted to it; answers with ``status``."""

    def __init__(self, status: int = 200) -> None:
        super().__init__(("127.0.0.1", 0), _Endpoint)
        self.status = status
        self.posts: queue.Queue[tuple[str, dict]] = queue.Queue()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Endpoint(BaseHTTPRequestHandler):
    server: FakeTelegram

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(self.server.status)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")
        self.server.posts.put((self.path, json.loads(body)))

    def log_message(self, *args) -> None:
        pass


class TelegramTest(SimpleTestCase):
    def telegram(self, status: int = 200) -> FakeTelegram:
        server = FakeTelegram(status)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        self.addCleanup(server.server_close)
        self.addCleanup(thread.join)
        self.addCleanup(server.shutdown)
        return server

    def handler(self, server: FakeTelegram) -> TelegramHandler:
        handler = TelegramHandler("123:abc", "-42", server.url)
        self.addCleanup(handler.close)
        return handler

    def test_error_of_boom_arrives_in_the_chat(self) -> None:
        server = self.telegram()
        with attached(self.handler(server)):
            response = Client(raise_request_exception=False).get("/boom")
        self.assertEqual(response.status_code, 500)
        path, message = server.posts.get(timeout=DEADLINE)
        self.assertEqual(path, "/bot123:abc/sendMessage")
        self.assertEqual(message["chat_id"], "-42")
        self.assertIn("ERROR django.request", message["text"])
        self.assertIn("Internal Server Error: /boom", message["text"])
        self.assertIn("fails on purpose", message["text"])

    def test_a_missing_page_is_no_error(self) -> None:
        server = self.telegram()
        with attached(self.handler(server)) as handler:
            Client().get("/nothing-here")
            handler.flush()
        self.assertTrue(server.posts.empty())

    def test_the_child_of_a_fork_sends_too(self) -> None:
        server = self.telegram()
        handler = self.handler(server)
        handler.handle(record("from the parent"))
        server.posts.get(timeout=DEADLINE)
        pid = os.fork()
        if pid == 0:
            handler.handle(record("from the child"))
            handler.flush()
            os._exit(0)
        self.assertEqual(os.waitpid(pid, 0)[1], 0)
        _, message = server.posts.get(timeout=DEADLINE)
        self.assertIn("from the child", message["text"])

    def test_a_refusal_is_told_without_the_token(self) -> None:
        server = self.telegram(status=401)
        handler = self.handler(server)
        with self.assertLogs("contracts.telegram", "WARNING") as logs:
            handler.handle(record("an error"))
            handler.flush()
        self.assertIn("HTTP 401", logs.output[0])
        self.assertNotIn("123:abc", logs.output[0])

    def test_without_a_token_nothing_starts(self) -> None:
        threads = threading.active_count()
        handler = TelegramHandler(token="", chat_id="-42")
        handler.handle(record("an error"))
        self.assertFalse(handler.active)
        self.assertEqual(threading.active_count(), threads)

    def test_a_long_text_keeps_its_head_and_the_end_of_the_traceback(self) -> None:
        try:
            raise ValueError("x" * 5000 + " the very end")
        except ValueError as error:
            failed = record("it failed", error)
        text = TelegramFormatter().format(failed)
        self.assertLessEqual(len(text), MAX_MESSAGE)
        self.assertTrue(text.startswith("ERROR tests\nit failed"))
        self.assertTrue(text.endswith("the very end"))
        long = TelegramFormatter().format(record("y" * 5000))
        self.assertEqual(len(long), MAX_MESSAGE)


def record(message: str, error: Exception | None = None) -> logging.LogRecord:
    info = (type(error), error, error.__traceback__) if error else None
    return logging.LogRecord("tests", logging.ERROR, __file__, 1, message, None, info)


@contextmanager
def attached(handler: TelegramHandler):
    """The root logger with this handler instead of its own."""
    root = logging.getLogger()
    before, root.handlers = root.handlers, [handler]
    try:
        yield handler
    finally:
        root.handlers = before
