"""What a visitor does with the demo site: the race, the admin, an upload, the live page."""

import os
import re
import statistics

from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait


def one(browser, selector):
    return browser.find_element(By.CSS_SELECTOR, selector)


def texts(browser, selector):
    """The texts of all matches at one moment."""
    return browser.execute_script(
        "return [...document.querySelectorAll(arguments[0])].map((found) => found.textContent.trim())", selector
    )


def until(browser, seconds, condition):
    return WebDriverWait(browser, seconds, poll_frequency=0.1).until(lambda _: condition())


def log_in(browser, site):
    browser.get(f"{site.url}/login/?next=/admin/")
    one(browser, "#id_username").send_keys("demo")
    one(browser, "#id_password").send_keys("demo")
    one(browser, "main form button").click()
    until(browser, 20, lambda: browser.current_url == f"{site.url}/admin/")


def test_home_page(browser, site, screenshot):
    browser.get(site.url + "/")
    assert len(texts(browser, ".rows tbody tr")) == 20
    screenshot("home")


def test_home_page_answers_while_ten_pdfs_render(browser, site, screenshot):
    browser.get(site.url + "/race")
    one(browser, "#start").click()
    done = re.compile(r"^([\d.]+) s, \d+ KB$")
    until(browser, 60, lambda: texts(browser, "#state")[0] == "Finished" or "failed" in texts(browser, "#state")[0])
    # "Finished" is what the page says if no visit of the home page failed.
    assert texts(browser, "#state") == ["Finished"]
    assert texts(browser, ".dot.failed") == []

    results = texts(browser, "#pdfs .result")
    found = [done.match(text) for text in results]
    assert len(found) == 10 and all(found), results
    assert texts(browser, "#summary")[0].startswith("10 in "), texts(browser, "#summary")

    p50, p99, longest, visits = (float(text.replace(",", "")) for text in texts(browser, "#during td"))
    pdf = statistics.median(float(match[1]) for match in found) * 1000
    print(f"home during the race: p50 {p50} p99 {p99} max {longest} ms in {visits:.0f} visits; median PDF {pdf:.0f} ms")
    assert p50 <= p99 <= longest
    assert p50 < pdf / 2
    points = browser.execute_script("return document.querySelectorAll('#chart circle.dot').length")
    assert points >= visits > 1
    assert browser.execute_script("return document.querySelectorAll('#chart circle.during, #chart circle.skipped').length") > 0
    screenshot("race")


def test_log_in_and_admin(browser, site):
    log_in(browser, site)
    assert "Contracts" in texts(browser, "#site-name")[0]
    assert "demo" in texts(browser, "#user-tools strong")[0].lower()
    assert any("Customers" in text for text in texts(browser, "#content-main th"))
    # The colour of the header comes from the admin's style sheet, not from the browser's own.
    header = one(browser, "#header").value_of_css_property("background-color")
    assert header not in ("rgba(0, 0, 0, 0)", "transparent")
    rules = "return [...document.styleSheets].map((sheet) => [sheet.href, sheet.cssRules.length])"
    sheets = {address: count for address, count in browser.execute_script(rules) if address}
    assert sheets.get(f"{site.url}/static/admin/css/base.css", 0) > 0, sheets


def test_upload_and_download(browser, site, tmp_path, downloads):
    content = os.urandom(3 << 20)
    upload = tmp_path / "annex.bin"
    upload.write_bytes(content)
    browser.get(site.url + "/documents/")
    one(browser, "input[type=file]").send_keys(str(upload))
    one(browser, "form.upload button").click()
    until(browser, 30, lambda: texts(browser, ".message") == ["annex.bin is uploaded."])
    one(browser, ".rows .main a").click()
    received = downloads / "annex.bin"
    # Chromium gives the file its name when it is complete.
    until(browser, 30, lambda: received.exists() and received.stat().st_size > 0)
    assert received.read_bytes() == content


def test_live_events_arrive_one_by_one(browser, site):
    browser.get(site.url + "/live")
    until(browser, 20, lambda: len(texts(browser, "#feed li")) >= 1)
    first = len(texts(browser, "#feed li"))
    until(browser, 20, lambda: len(texts(browser, "#feed li")) > first)
    assert texts(browser, "#state") == ["live"]
    one(browser, "#toggle").click()
    assert texts(browser, "#state") == ["paused"]
