"""The pictures of docs/dashboard.md: `make screenshots` runs this, no test does."""

import itertools
import math
import os
import random
import subprocess
import threading
import time
import urllib.error
import urllib.request

import pytest
from conftest import ROOT, Site

PICTURES = ROOT / "docs" / "images"
LOAD = 75  # seconds
# A third of the bytes, by the Pillow that draws the demo's PDFs.
SHRINK = """
import sys
from PIL import Image
Image.open(sys.argv[1]).convert("RGB").quantize(256, dither=0).save(sys.argv[1], optimize=True)
"""


@pytest.fixture
def site(tmp_path):
    """The demo with a dashboard, workers that are replaced, and something beside them."""
    token = tmp_path / "token"
    running = Site(
        tmp_path,
        *(
            "--dashboard-bind",
            "127.0.0.1:0",
            "--dashboard-token-file",
            str(token),
            "--max-requests",
            "400",
            "--max-requests-jitter",
            "300",
        ),
        *("--companion", "mails=sleep 1000", "--companion", "search=sleep 1000", "--no-control-socket"),
    )
    try:
        while not (lines := [line for line in running.lines if "Dashboard at: " in line]):
            time.sleep(0.05)
        running.board = lines[0].split("Dashboard at: ")[1].split(",")[0] + "#token=" + token.read_text().strip()
        yield running
    finally:
        running.stop()


def visit(site, end, paths, pause):
    for path in itertools.cycle(paths):
        if time.monotonic() > end:
            return
        try:
            with urllib.request.urlopen(site.url + path, timeout=60) as answer:
                answer.read()
        except urllib.error.HTTPError:
            pass  # some are meant to fail
        time.sleep(pause * random.random() * (1.4 + math.sin(time.monotonic() / 6)))


def test_pictures(site, browser):
    pages = ["/", "/contract/7/", "/?page=2", "/api/contracts.json", "/contract/12/", "/", "/gone", "/documents/"]
    kinds = [(pages, 0.12)] * 4 + [
        (["/contract/3/download", "/contract/9/scan", "/contract/21/download"], 1.5),
        (["/boom", "/", "/report/x/"], 9),
    ]
    clients = [threading.Thread(target=visit, args=(site, time.monotonic() + LOAD, *kind)) for kind in kinds]
    for client in clients:
        client.start()
    browser.get(site.board)
    browser.execute_cdp_cmd("Emulation.setScrollbarsHidden", {"hidden": True})
    time.sleep(LOAD / 2)
    browser.execute_script("document.querySelector('#reload').click()")
    time.sleep(LOAD / 3)
    browser.execute_script("document.querySelector('[data-span=\"60\"]').click()")
    PICTURES.mkdir(parents=True, exist_ok=True)
    for name, width, height, scheme in (
        ("dashboard-light", 1280, 1150, "light"),
        ("dashboard-dark", 1280, 1150, "dark"),
        ("dashboard-phone", 390, 844, "dark"),
    ):
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
        time.sleep(1.2)  # the next document
        picture = str(PICTURES / f"{name}.png")
        browser.save_screenshot(picture)
        subprocess.run([os.environ["DEMO_PYTHON"], "-c", SHRINK, picture], check=True)
    for client in clients:
        client.join()
    browser.get_log("browser")
