"""The site keeps to PEP 3333, as the standard library's validator sees it."""

from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

from contracts.wsgi import application
from django.test import TransactionTestCase


class Wsgi(TransactionTestCase):
    def get(self, path: str, query: str = "") -> tuple[str, dict[str, str], bytes]:
        environ: dict = {
            "SCRIPT_NAME": "",
            "PATH_INFO": path,
            "QUERY_STRING": query,
        }
        setup_testing_defaults(environ)
        head = []
        result = validator(application)(environ, lambda *args: head.append(args))
        try:
            body = b"".join(result)
        finally:
            result.close()
        status, headers = head[0][:2]
        return status, dict(headers), body

    def test_a_page(self) -> None:
        status, headers, body = self.get("/")
        self.assertEqual(status, "200 OK")
        self.assertEqual(headers["Content-Length"], str(len(body)))

    def test_a_stream_names_no_length(self) -> None:
        status, headers, body = self.get("/live/events", "n=1")
        self.assertEqual(status, "200 OK")
        self.assertNotIn("Content-Length", headers)
        self.assertTrue(body.endswith(b"event: end\ndata: {}\n\n"))

    def test_a_static_file(self) -> None:
        status, headers, body = self.get("/static/registry/site.css")
        self.assertEqual(status, "200 OK")
        self.assertEqual(headers["Content-Length"], str(len(body)))
