"""What somebody sees and does on the dashboard of a running server."""

import concurrent.futures
import os
import pathlib
import re
import subprocess
import threading
import urllib.error
import urllib.request

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

ROOT = pathlib.Path(__file__).resolve().parents[3]


class Server:
    """An application with a dashboard, whose port and token stay when it is started again."""

    def __init__(self, directory):
        self.token_file = directory / "token"
        self.broken = directory / "broken"
        self.board = "http://127.0.0.1:0/"
        self.start()

    def start(self):
        self.lines = []
        ready = threading.Event()
        self._process = subprocess.Popen(
            [
                *(ROOT / "bin" / "gounicorn", "--python", os.environ["DEMO_PYTHON"], "--chdir", ROOT / "tests" / "apps"),
                *("--workers", "2", "--bind", "127.0.0.1:0", "--no-control-socket"),
                *("--dashboard-bind", self.board.split("/")[2], "--dashboard-token-file", self.token_file, "watched:app"),
            ],
            stderr=subprocess.PIPE,
            env={**os.environ, "WATCHED_BROKEN": str(self.broken)},
            text=True,
        )

        def read():
            for line in self._process.stderr:
                self.lines.append(line)
                if found := re.search(r"Listening at: (http://[\d.:]+)", line):
                    self.url = found[1]
                if found := re.search(r"Dashboard at: (http://[\d.:]+/),", line):
                    self.board = found[1]
                    ready.set()
            ready.set()

        self._reader = threading.Thread(target=read)
        self._reader.start()
        if not ready.wait(60) or self._process.poll() is not None:
            self.stop()
            raise RuntimeError("it does not start:\n" + "".join(self.lines))

    @property
    def token(self):
        return self.token_file.read_text().strip()

    def get(self, path):
        try:
            with urllib.request.urlopen(self.url + path, timeout=30) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code

    def said(self, text):
        return sum(text in line for line in self.lines)

    def stop(self):
        self._process.terminate()
        status = self._process.wait(30)
        self._reader.join()
        return status


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    running = Server(tmp_path_factory.mktemp("dashboard"))
    yield running
    assert running.stop() == 0, "".join(running.lines)


def one(browser, selector):
    return browser.find_element(By.CSS_SELECTOR, selector)


def text(browser, selector):
    """The text of all matches at one moment, hidden or not."""
    script = "return [...document.querySelectorAll(arguments[0])].map((found) => found.textContent).join('\\n')"
    return browser.execute_script(script, selector)


def until(browser, what, condition):
    WebDriverWait(browser, 20, poll_frequency=0.1).until(lambda _: condition(), what)


def live(browser):
    until(browser, "the page is live", lambda: text(browser, "#link") == "live")


def enter(browser, server):
    browser.get(f"{server.board}#token={server.token}")
    live(browser)


def forgive(browser, *expected):
    """Takes what is expected out of the console."""
    for entry in browser.get_log("browser"):
        assert entry["level"] != "SEVERE" or any(part in entry["message"] for part in expected), entry


def test_what_is_seen(browser, server):
    browser.get(server.board)
    until(browser, "the server asks for the token", lambda: one(browser, "#login").is_displayed())
    assert not one(browser, "#board").is_displayed() and not one(browser, "#reload").is_displayed()
    one(browser, "#token").send_keys("wrong", Keys.ENTER)
    until(browser, "a wrong token is refused", lambda: text(browser, "#wrong") == "That is not the token of this server.")
    one(browser, "#token").clear()
    one(browser, "#token").send_keys(server.token)
    one(browser, "#login button").click()
    live(browser)
    one(browser, "#leave").click()
    until(browser, "the session has ended", lambda: one(browser, "#login").is_displayed() and not browser.get_cookies())
    enter(browser, server)  # on the same page, which is not loaded again
    assert not one(browser, "#login").is_displayed()
    (cookie,) = browser.get_cookies()
    assert cookie["httpOnly"] and cookie["sameSite"] == "Strict" and server.token not in cookie["value"]
    assert text(browser, "#app") == "watched:app" and text(browser, "#wanted") == "2 workers"
    assert "No requests" in one(browser, "#charts").text

    empty = one(browser, "#charts .area.good").get_attribute("d")
    script, decoded = "/%3Cscript%3Ealert(document)%3C/script%3E", "/<script>alert(document)</script>"
    with concurrent.futures.ThreadPoolExecutor(8) as clients:
        slow = clients.submit(server.get, "/slow/2" + script)
        until(browser, "the request that runs is seen", lambda: script in text(browser, "#workers .request code"))
        assert set(clients.map(server.get, ["/"] * 100 + [script] * 20)) == {200, 404}
        assert slow.result() == 200
    assert server.get("/raise") == 500
    until(browser, "the requests are drawn", lambda: one(browser, "#charts .area.good").get_attribute("d") != empty)
    until(
        browser, "the rate is told", lambda: re.search(r"^Requests[\d.]+ /s12\d in 60 s", text(browser, "#tiles > :first-child"))
    )
    until(browser, "errors are counted", lambda: "1 in 60 s" in text(browser, "#tiles > :nth-child(2)"))
    assert "No requests" not in one(browser, "#charts").text
    until(browser, "the routes are listed", lambda: f"GET {decoded}" in text(browser, "#routes code").split("\n"))
    assert re.search(r"^[\d.]+ (µs|ms|s)$", text(browser, "#routes td.n"), re.MULTILINE)
    assert browser.execute_script("return document.querySelectorAll('body script, body b b, iframe').length") == 0

    orders = []
    for order in ("ascending", "descending"):
        one(browser, "#routes th button").click()
        assert one(browser, "#routes th").get_attribute("aria-sort") == order
        orders.append(text(browser, "#routes code").split("\n"))
    assert len(orders[0]) >= 3 and orders[0] == orders[1][::-1], orders

    one(browser, "#filter [data-kinds^=error]").click()
    until(browser, "the error is told", lambda: text(browser, "#events .badge") == "error")
    assert not one(browser, "#events pre").is_displayed()
    one(browser, "#events summary").click()
    assert "ValueError: <b>of a test</b>" in one(browser, "#events pre").text

    chart = one(browser, "#charts figure")
    chart.send_keys(Keys.ARROW_LEFT, Keys.ARROW_LEFT)
    assert text(browser, "#charts figure:last-child figcaption small") == "2 s ago"
    chart.send_keys(Keys.ESCAPE)
    assert text(browser, "#charts figcaption small").strip() == ""

    master = text(browser, "#host")
    assert server.stop() == 0
    until(browser, "the page says that the server has gone", lambda: text(browser, "#link") == "no connection")
    assert one(browser, "#notice").is_displayed() and one(browser, "#board").is_displayed()
    server.start()
    live(browser)  # with the same session
    until(browser, "another master is seen", lambda: text(browser, "#host") != master)
    assert not one(browser, "#notice").is_displayed()
    forgive(browser, "401", "net::ERR_CONNECTION_REFUSED", "net::ERR_INCOMPLETE_CHUNKED_ENCODING", "net::ERR_EMPTY_RESPONSE")


def test_buttons(browser, server):
    enter(browser, server)
    assert browser.current_url == server.board  # and the history has no token
    for button, workers in (("more", 3), ("fewer", 2)):
        one(browser, f"#{button}").click()
        until(browser, f"{workers} workers", lambda n=workers: text(browser, "#wanted") == f"{n} workers")
        until(
            browser, "the table has them", lambda n=workers: len(browser.find_elements(By.CSS_SELECTOR, "#workers tbody tr")) == n
        )
    assert "generation 1" in text(browser, "#build")
    before = set(text(browser, "#workers tbody td:first-child").split())
    one(browser, "#reload").click()
    until(browser, "the next generation", lambda: "generation 2" in text(browser, "#build"))
    until(browser, "it is told", lambda: text(browser, "#toast") == "Generation 2 serves.")
    server.broken.touch()
    one(browser, "#reload").click()
    until(browser, "that a reload failed is told", lambda: text(browser, "#toast").startswith("Since the reload: "))
    server.broken.unlink()
    assert "generation 2" in text(browser, "#build") and server.get("/") == 200
    until(browser, "all workers are others", lambda: not before & set(text(browser, "#workers tbody td:first-child").split()))


def test_other_origins(browser, server):
    """A page of the same host on another port has the cookie sent along, and still cannot press a button or read."""
    enter(browser, server)
    reloads = server.said("Handling signal: hup")
    browser.get(server.url)
    ask = """
        const [url, options, done] = arguments;
        fetch(url, {credentials: 'include', ...options})
            .then((answer) => done(answer.type + answer.status), (error) => done(error.name));
    """
    marked = {"method": "POST", "headers": {"X-Gounicorn-Dashboard": "1"}}
    for path, options in (("reload", {"method": "POST", "mode": "no-cors"}), ("reload", marked), ("status", {})):
        assert browser.execute_async_script(ask, server.board + path, options) == "TypeError"
    browser.execute_script(
        "document.body.append(Object.assign(document.createElement('iframe'), {src: arguments[0]}))", server.board
    )
    enter(browser, server)
    assert server.said("Handling signal: hup") == reloads
    forgive(browser, "CORS", "net::ERR_FAILED", "net::ERR_BLOCKED_BY_RESPONSE", "frame", "403", "favicon.ico")


def test_looks(browser, server):
    colours = "const s = getComputedStyle(document.body); return [s.backgroundColor, s.color]"
    seen = {}
    for scheme in ("light", "dark"):
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
        enter(browser, server)
        seen[scheme] = browser.execute_script(colours)
    assert seen["light"] != seen["dark"]
    theme = one(browser, "#theme")
    for text_is, scheme in (("Theme: light", "light"), ("Theme: dark", "dark"), ("Theme: system", "dark")):
        theme.click()
        assert (theme.text, browser.execute_script(colours)) == (text_is, seen[scheme])
    theme.click()
    enter(browser, server)
    assert browser.execute_script(colours) == seen["light"]  # the choice is kept
    browser.execute_script("localStorage.clear()")
    for width in (360, 768, 1024, 1600):
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        browser.execute_async_script(
            "const done = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(() => done()))"
        )
        columns = "return getComputedStyle(document.getElementById('charts')).gridTemplateColumns.split(' ').length"
        assert browser.execute_script(columns) == {360: 1, 768: 2, 1024: 2, 1600: 3}[width]
        wide = """
            return [...document.querySelectorAll('body *')]
                .filter((e) => e.getBoundingClientRect().right > innerWidth + 1 && !e.closest('.scroll')).length
        """
        assert browser.execute_script(wide) == 0, width
        chart = one(browser, "#charts svg").rect
        assert 200 < chart["width"] < width
