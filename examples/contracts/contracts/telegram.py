"""A logging handler that sends records to a Telegram chat.

A request that fails must not wait for Telegram as well, so ``emit`` only puts
the text in a bounded queue and a daemon thread posts it. Threads do not survive
a fork: the thread is started by the first record of each process, so a handler
that was configured before a pre-forking server forked works in every worker.
"""

import http.client
import json
import logging
import os
import queue
import threading
import time
import urllib.error
import urllib.request

# Telegram refuses longer messages.
MAX_MESSAGE = 4096
# Texts that may wait while Telegram is slow; what comes on top is dropped.
QUEUE_SIZE = 100

# Below ERROR, so that a failure to send is never itself sent.
_log = logging.getLogger("contracts.telegram")


class TelegramFormatter(logging.Formatter):
    """Level, logger and message, then as much of the traceback as fits.

    The end of a traceback says what failed, so the beginning is what is cut.
    """

    def format(self, record: logging.LogRecord) -> str:
        head = f"{record.levelname} {record.name}\n{record.getMessage()}"
        if len(head) > MAX_MESSAGE:
            return head[: MAX_MESSAGE - 1] + "…"
        if not record.exc_info:
            return head
        trace = "\n\n" + self.formatException(record.exc_info)
        room = MAX_MESSAGE - len(head)
        if len(trace) > room:
            cut = "\n\n…"
            trace = cut + trace[-(room - len(cut)) :] if room > len(cut) else ""
        return head + trace


class TelegramHandler(logging.Handler):
    """Posts each record to ``{api_url}/bot{token}/sendMessage``.

    Without a token or a chat it does nothing, and starts no thread.
    """

    def __init__(
        self,
        token: str = "",
        chat_id: str = "",
        api_url: str = "https://api.telegram.org",
        timeout: float = 5.0,
        level: int | str = logging.ERROR,
    ) -> None:
        super().__init__(level)
        self.setFormatter(TelegramFormatter())
        self.active = bool(token and chat_id)
        self._url = f"{api_url.rstrip('/')}/bot{token}/sendMessage"
        self._chat_id = chat_id
        self._timeout = timeout
        self._pid = 0
        self._queue: queue.Queue[str] = queue.Queue(QUEUE_SIZE)

    def emit(self, record: logging.LogRecord) -> None:
        if not self.active:
            return
        try:
            text = self.format(record)
            self._ensure_sender()
            self._queue.put_nowait(text)
        except queue.Full:
            _log.warning("telegram is slow: one message dropped")
        except Exception:
            self.handleError(record)

    def flush(self) -> None:
        """Wait, no longer than the timeout, until what is queued is sent."""
        if self._pid != os.getpid():
            return
        deadline = time.monotonic() + self._timeout
        pending = self._queue
        with pending.all_tasks_done:
            while pending.unfinished_tasks:
                left = deadline - time.monotonic()
                if left <= 0 or not pending.all_tasks_done.wait(left):
                    return

    def _ensure_sender(self) -> None:
        # Called with the handler's lock held, which logging renews after a fork.
        if self._pid == os.getpid():
            return
        self._queue = queue.Queue(QUEUE_SIZE)
        threading.Thread(target=self._send_all, args=(self._queue,), name="telegram", daemon=True).start()
        self._pid = os.getpid()

    def _send_all(self, texts: "queue.Queue[str]") -> None:
        while True:
            text = texts.get()
            try:
                self._send(text)
            except (OSError, ValueError, http.client.HTTPException) as error:
                # The URL holds the token, so only the kind of failure is told.
                _log.warning("telegram: message not sent: %s", _reason(error))
            finally:
                texts.task_done()

    def _send(self, text: str) -> None:
        body = json.dumps({"chat_id": self._chat_id, "text": text}).encode()
        request = urllib.request.Request(self._url, data=body, headers={"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=self._timeout) as response:
            response.read()


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"HTTP {error.code}"
    if isinstance(error, urllib.error.URLError):
        return str(error.reason)
    return type(error).__name__
