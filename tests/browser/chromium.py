"""A headless chromium, driven over a pipe by the DevTools protocol; nothing beyond the standard library is needed."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--enable-unsafe-swiftshader",
    "--hide-scrollbars",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--remote-debugging-pipe",
)
#: what the browser itself expects of a process started with --remote-debugging-pipe
_READS, _WRITES = 3, 4
_PATIENCE = 30.0


def installed() -> str | None:
    """Path of a browser, if there is one."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Failed(AssertionError):
    """The browser refused a command, or the page threw."""


class Browser:
    """A browser with one page; events are kept in the order they came."""

    def __init__(self, path: str, *flags: str) -> None:
        self._profile = tempfile.TemporaryDirectory(prefix="tianyan-browser-", ignore_cleanup_errors=True)
        theirs_in, self._out = os.pipe()
        self._in, theirs_out = os.pipe()
        # out of the way of 3 and 4, which they become in the browser's process
        high_in, high_out = (fcntl.fcntl(fd, fcntl.F_DUPFD, 20) for fd in (theirs_in, theirs_out))

        def place() -> None:
            os.dup2(high_in, _READS)
            os.dup2(high_out, _WRITES)

        self.process = subprocess.Popen(
            [path, *FLAGS, *flags, f"--user-data-dir={self._profile.name}", "about:blank"],
            pass_fds=(_READS, _WRITES, high_in, high_out),
            # no thread runs yet, and it calls dup2 alone
            preexec_fn=place,  # noqa: PLW1509
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for fd in (theirs_in, theirs_out, high_in, high_out):
            os.close(fd)
        self._bytes = b""
        self._number = 0
        self.events: list[dict] = []
        target = next(t for t in self.call("Target.getTargets")["targetInfos"] if t["type"] == "page")
        self._session = self.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End it."""
        try:
            self._session = None
            self.call("Browser.close")
        except (Failed, OSError):
            self.process.kill()
        self.process.wait(20)
        for fd in (self._in, self._out):
            os.close(fd)
        self._profile.cleanup()

    def call(self, method: str, **parameters: object) -> dict:
        """Give a command and wait for its answer."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if getattr(self, "_session", None):
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        end = time.monotonic() + _PATIENCE
        while True:
            told = self._next(end - time.monotonic())
            if told is None:
                raise Failed(f"{method}: no answer in {_PATIENCE} s")
            if told.get("id") == self._number:
                if "error" in told:
                    raise Failed(f"{method}: {told['error']['message']}")
                return told["result"]

    def _next(self, seconds: float) -> dict | None:
        """Next message; None when none comes in time. Events are kept as well."""
        end = time.monotonic() + seconds
        while b"\0" not in self._bytes:
            ready, _, _ = select.select([self._in], [], [], max(0.0, end - time.monotonic()))
            if not ready:
                return None
            piece = os.read(self._in, 1 << 20)
            if not piece:
                raise Failed("the browser has ended")
            self._bytes += piece
        text, self._bytes = self._bytes.split(b"\0", 1)
        told = json.loads(text)
        if "method" in told:
            self.events.append(told)
        return told

    def rest(self, seconds: float) -> None:
        """Let it run, keeping its events."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._next(left)

    def of(self, method: str) -> list[dict]:
        """Parameters of all events of a kind."""
        return [event["params"] for event in self.events if event["method"] == method]

    def run(self, expression: str) -> object:
        """Value of an expression of the page; a promise is awaited."""
        told = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in told:
            details = told["exceptionDetails"]
            raise Failed(details.get("exception", {}).get("description", details["text"]))
        return told["result"].get("value")

    def wait(self, expression: str, seconds: float = 20.0) -> object:
        """Wait until an expression is true."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            value = self.run(expression)
            if value:
                return value
            self.rest(0.05)
        raise Failed(f"not in {seconds} s: {expression}")

    def open(self, url: str) -> None:
        """Go to an address, from a blank page, so that the hash alone never keeps the page that was there."""
        self.call("Page.navigate", url="about:blank")
        self.call("Page.navigate", url=url)

    def size(self, width: int, height: int, *, phone: bool = False) -> None:
        """Give the page a size."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone)
        self.call("Emulation.setTouchEmulationEnabled", enabled=phone)

    def mouse(self, kind: str, x: float, y: float, count: int = 0) -> None:
        """Tell of one event of the mouse."""
        button = "left" if count else "none"
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button=button, clickCount=count)

    def click(self, x: float, y: float, count: int = 1) -> None:
        """Click at a place; count 2 is the second click of a double click, with the first before it."""
        self.mouse("mouseMoved", x, y)
        for number in range(1, count + 1):
            self.mouse("mousePressed", x, y, number)
            self.mouse("mouseReleased", x, y, number)

    def tap(self, selector: str) -> None:
        """Click the middle of an element."""
        place = self.run(
            f"(() => {{ const b = document.querySelector({json.dumps(selector)}).getBoundingClientRect();"
            " return [b.left + b.width / 2, b.top + b.height / 2] })()"
        )
        self.click(*place)

    def key(self, name: str, code: int) -> None:
        """Press a key."""
        for kind in ("rawKeyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=name, code=name, windowsVirtualKeyCode=code)

    def type(self, text: str) -> None:
        """Write into the field that has the focus."""
        self.call("Input.insertText", text=text)

    def picture(self, path: Path | None = None) -> bytes:
        """What is seen, as PNG."""
        png = base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])
        if path is not None:
            path.write_bytes(png)
        return png
