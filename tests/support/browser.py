"""A Chromium without a window, driven over its own protocol through a pipe: no package needed."""

import contextlib
import itertools
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)
_QUIET = (
    "--headless",
    "--no-sandbox",  # it opens pages of ours alone, and containers allow no sandbox
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
)
# Chromium reads the pipe's ends 3 and 4, whatever their numbers are in this process.
_STARTER = """
import fcntl, os, sys

ends = [fcntl.fcntl(int(one), fcntl.F_DUPFD, 10) for one in sys.argv[1:3]]
for number, end in zip((3, 4), ends):
    os.dup2(end, number)
os.execv(sys.argv[3], sys.argv[3:])
"""


class Browser:
    """One tab.

    Attributes:
        requested: the address of everything that the pages have asked for.
        complaints: what their consoles say, refusals of their policy too.
    """

    def __init__(self, send, receive):
        self._send, self._receive = send, receive
        self._numbers = itertools.count(1)
        self._session = {}
        self.requested, self.complaints = [], []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = {"sessionId": attached["sessionId"]}
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method, **parameters):
        """Call a method of the protocol; returns its result, and records events on the way."""
        number = next(self._numbers)
        request = {"id": number, "method": method, "params": parameters, **self._session}
        self._send.write(json.dumps(request).encode() + b"\0")
        self._send.flush()
        while (message := self._next()).get("id") != number:
            pass
        assert "error" not in message, (method, message["error"])
        return message["result"]

    def open(self, url, *, width, height=844):
        """Open a page on a screen of that size, and wait until it is loaded."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.call("Emulation.setDeviceMetricsOverride", **size)
        self.call("Page.navigate", url=url)
        while self._next().get("method") != "Page.loadEventFired":
            pass

    def run(self, script):
        """Run the body of an async function in the page; returns its JSON value."""
        expression = f"(async () => {{ {script} }})()"
        found = self.call(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def _next(self):
        content = bytearray()
        while (byte := self._receive.read(1)) != b"\0":
            assert byte, "the browser has ended"
            content += byte
        message = json.loads(content)
        params = message.get("params", {})
        match message.get("method"):
            case "Network.requestWillBeSent":
                self.requested.append(params["request"]["url"])
            case "Runtime.exceptionThrown" | "Runtime.consoleAPICalled" | "Log.entryAdded":
                self.complaints.append(params)
        return message


@contextlib.contextmanager
def browser(profile: Path):
    """Start a browser with a fresh profile; it ends with the block."""
    to_read, send = os.pipe()
    receive, to_write = os.pipe()
    ends = (to_read, to_write)
    command = [CHROMIUM, *_QUIET, "--remote-debugging-pipe", f"--user-data-dir={profile}"]
    with (
        os.fdopen(send, "wb") as sending,
        os.fdopen(receive, "rb") as receiving,
        subprocess.Popen(
            [sys.executable, "-c", _STARTER, *map(str, ends), *command],
            pass_fds=ends,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process,
    ):
        os.close(to_read)
        os.close(to_write)
        try:
            yield Browser(sending, receiving)
        finally:
            process.terminate()
