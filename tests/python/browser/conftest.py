"""The demo site under gounicorn, and a Chromium that visits it."""

import os
import pathlib
import re
import shutil
import subprocess
import threading

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

ROOT = pathlib.Path(__file__).resolve().parents[3]
SCREENSHOTS = ROOT / "build" / "screenshots"
FLAGS = (
    "--headless=new",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


class Site:
    """The demo as `make demo` starts it, with a database and files of its own, so that a visit leaves nothing behind."""

    def __init__(self, directory, *flags):
        self.lines = []
        self.url = ""
        self._ready = threading.Event()
        python = os.environ["DEMO_PYTHON"]
        demo = ROOT / "examples" / "contracts"
        environ = {
            **os.environ,
            "CONTRACTS_DB": str(directory / "contracts.sqlite3"),
            "CONTRACTS_MEDIA": str(directory / "media"),
        }
        for command in (["migrate", "--verbosity", "0"], ["fill"]):
            subprocess.run([python, "manage.py", *command], cwd=demo, env=environ, check=True, stdout=subprocess.DEVNULL)
        command = [ROOT / "bin" / "gounicorn", "--python", python, "--chdir", demo, "--preload", "--workers", "4"]
        command += ["--bind", "127.0.0.1:0", *flags, "contracts.wsgi:application"]
        self._process = subprocess.Popen(command, env=environ, stderr=subprocess.PIPE, text=True)
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        if not self._ready.wait(60) or self._process.poll() is not None:
            self.stop()
            raise RuntimeError("the demo does not start:\n" + "".join(self.lines))

    def _read(self):
        for line in self._process.stderr:
            self.lines.append(line)
            if found := re.search(r"Listening at: (http://[\d.:]+)", line):
                self.url = found[1]
            if "Ready: 4 workers" in line:
                self._ready.set()
        self._ready.set()

    def stop(self):
        """The exit status after SIGTERM."""
        self._process.terminate()
        status = self._process.wait(30)
        self._reader.join()
        return status


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    running = Site(tmp_path_factory.mktemp("site"))
    yield running
    assert running.stop() == 0, "".join(running.lines)


@pytest.fixture
def downloads(tmp_path):
    directory = tmp_path / "downloads"
    directory.mkdir()
    return directory


@pytest.fixture
def browser(site, tmp_path, downloads):
    """A Chromium with a fresh profile; what its console calls an error fails the test."""
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for flag in FLAGS:
        options.add_argument(flag)
    if os.geteuid() == 0:
        options.add_argument("--no-sandbox")
    options.add_argument(f"--user-data-dir={tmp_path / 'profile'}")
    options.add_argument("--window-size=1280,1000")
    options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    try:
        yield driver
        errors = [entry for entry in driver.get_log("browser") if entry["level"] == "SEVERE"]
        assert not errors
    finally:
        driver.quit()


@pytest.fixture
def screenshot(browser):
    """Writes the whole page, in both colour schemes, at the width of a desk and of a phone."""

    def take(name):
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        for width in (1280, 390):
            size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
            browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
            # The chart is drawn anew, one frame after its box has changed.
            browser.execute_async_script(
                "const done = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(() => done()))"
            )
            wide = browser.execute_script("return document.documentElement.scrollWidth")
            assert wide <= width, f"{name} is {wide} px wide in a window of {width}"
            for scheme in ("light", "dark"):
                feature = {"name": "prefers-color-scheme", "value": scheme}
                browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
                height = browser.execute_script("return document.documentElement.scrollHeight")
                browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {**size, "height": height})
                browser.save_screenshot(str(SCREENSHOTS / f"{name}-{width}-{scheme}.png"))
                browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})

    return take
