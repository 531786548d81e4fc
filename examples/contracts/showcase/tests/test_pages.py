"""The showcase pages: race, live, health, and what is there for load."""

import json
import zlib
from unittest import mock

from django.core.management import call_command
from django.test import Client, TestCase, override_settings
from registry.tests.test_pages import FilledTestCase, Null

from showcase import live


class Race(FilledTestCase):
    def test_names_ten_downloads(self) -> None:
        response = self.client.get("/race")
        self.assertContains(response, "data-url=", count=10)
        self.assertContains(response, f"/contract/{self.contract.pk}/download")

    def test_an_empty_database_says_how_to_fill_it(self) -> None:
        self.contract.__class__.objects.all().delete()
        self.assertContains(self.client.get("/race"), "manage.py fill")


class Live(FilledTestCase):
    def events(self, n: int) -> list[str]:
        with mock.patch.object(live, "INTERVAL", 0.001):
            response = self.client.get("/live/events", {"n": n})
            body = b"".join(response.streaming_content).decode()
        return body.strip().split("\n\n")

    def test_page_names_its_stream(self) -> None:
        self.assertContains(self.client.get("/live"), 'data-events="/live/events"')

    def test_stream_is_not_to_be_buffered(self) -> None:
        response = self.client.get("/live/events?n=0")
        self.assertEqual(response["Content-Type"], "text/event-stream")
        self.assertEqual(response["X-Accel-Buffering"], "no")
        self.assertTrue(response.streaming)

    def test_sends_as_many_events_as_asked_for(self) -> None:
        retry, *events, end = self.events(3)
        self.assertEqual(retry, "retry: 2000")
        self.assertEqual(end, "event: end\ndata: {}")
        for n, event in enumerate(events, start=1):
            first, second = event.split("\n")
            self.assertEqual(first, f"id: {n}")
            self.assertEqual(json.loads(second.removeprefix("data: "))["n"], n)
        self.assertEqual(len(events), 3)

    def test_first_event_comes_before_any_wait(self) -> None:
        with mock.patch.object(live.time, "sleep", side_effect=AssertionError):
            stream = iter(self.client.get("/live/events").streaming_content)
            next(stream)
            self.assertIn(b"id: 1\n", next(stream))

    def test_refuses_what_is_no_number(self) -> None:
        for wanted in ("x", "-1", "1.5", "²", "9" * 5000):
            with self.subTest(wanted[:10]):
                response = self.client.get("/live/events", {"n": wanted})
                self.assertEqual(response.status_code, 400)


class StaticFiles(TestCase):
    def test_each_page_finds_its_files(self) -> None:
        call_command("fill", contracts=1, customers=1, stdout=Null())
        for page in ("/", "/live", "/race", "/login/"):
            html = self.client.get(page).content.decode()
            urls = {part.split('"')[0] for part in html.split('="') if "/static/" in part}
            urls = {url for url in urls if url.startswith("/static/")}
            self.assertTrue(urls)
            for url in urls:
                with self.subTest(url):
                    response = self.client.get(url)
                    self.assertEqual(response.status_code, 200)
                    response.close()


class Health(TestCase):
    def test_answers_without_a_query(self) -> None:
        with self.assertNumQueries(0):
            response = self.client.get("/health")
        self.assertEqual(response.content, b"ok\n")
        self.assertEqual(response["Access-Control-Allow-Origin"], "*")


class Load(FilledTestCase):
    def test_report_is_a_pdf_under_any_name(self) -> None:
        for name in ("spring", "summer-2"):
            response = self.client.get(f"/report/{name}/")
            self.assertEqual(response["Content-Type"], "application/pdf")
            self.assertTrue(response.content.startswith(b"%PDF-"))

    @override_settings(SCAN_SECONDS=0.01)
    def test_survey_is_a_scan_under_any_name(self) -> None:
        answer = self.client.get("/survey/spring/").json()
        self.assertEqual((answer["name"], answer["findings"]["Known fraud patterns"]), ("spring", "none found"))

    def test_without_contracts_there_is_nothing_to_report(self) -> None:
        self.contract.__class__.objects.all().delete()
        for path in ("/report/spring/", "/survey/spring/"):
            self.assertEqual(self.client.get(path).status_code, 404)

    def test_megabyte_is_one(self) -> None:
        content = self.client.get("/megabyte").content
        self.assertEqual(len(content), 1024 * 1024)
        self.assertEqual(content[256 * 1024 : 256 * 1024 + 4], b"\0\1\2\3")

    def test_digest_reads_all_of_a_body_and_needs_no_token(self) -> None:
        for body in (b"", b"abc", bytes(range(256)) * 12_000):
            answer = Client(enforce_csrf_checks=True).post("/digest", body, content_type="application/octet-stream").json()
            self.assertEqual(answer, {"bytes": len(body), "crc32": zlib.crc32(body)})
