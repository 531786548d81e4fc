"""The showcase pages: race, live, boom, health."""

import json
from unittest import mock

from django.core.management import call_command
from django.test import TestCase
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
