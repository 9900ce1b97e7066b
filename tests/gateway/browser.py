"""Drive a headless Chromium through its debugging pipe, with nothing but Python's own library."""

import base64
import contextlib
import json
import os
import select
import shutil
import subprocess
import time

FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--remote-debugging-pipe")  # fmt: skip


def program():
    """Return the path of the browser, or None."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


class Page:
    """Speak to one page."""

    def __init__(self, write, read):
        self.write, self.read, self.held, self.number, self.session = write, read, b"", 0, None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.call("Page.enable")

    def call(self, method, **parameters):
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.write, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + 60
        while True:
            found = self._message(deadline)
            if found.get("id") == self.number:
                assert "error" not in found, found
                return found["result"]

    def _message(self, deadline):
        while b"\0" not in self.held:
            ready, _, _ = select.select([self.read], [], [], max(deadline - time.monotonic(), 0))
            assert ready, "the browser does not answer"
            self.held += os.read(self.read, 1 << 20)
        whole, _, self.held = self.held.partition(b"\0")
        return json.loads(whole)

    def run(self, script):
        found = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def until(self, script, seconds=30):
        deadline = time.monotonic() + seconds
        while not self.run(script):
            assert time.monotonic() < deadline, f"never: {script}\n{self.run('document.body.innerText')}"
            time.sleep(0.05)

    def open(self, url):
        self.call("Page.navigate", url=url)
        self.until("document.readyState === 'complete' && !!document.getElementById('ask')")

    def key(self, name, code=0, text=None):
        for kind in ("keyDown", "keyUp"):
            more = {"text": text} if text and kind == "keyDown" else {}
            self.call("Input.dispatchKeyEvent", type=kind, key=name, windowsVirtualKeyCode=code, **more)

    def type(self, text):
        self.call("Input.insertText", text=text)

    def look(self, width=1000, height=900, scheme="light"):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def picture(self, path):
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))


@contextlib.contextmanager
def chromium(folder):
    """Start a browser with a profile of its own; give its page."""
    to_it, from_it = os.pipe(), os.pipe()
    # The browser reads from descriptor 3 and writes to 4.
    flags = " ".join((*FLAGS, f"--user-data-dir='{folder}'"))
    command = f"exec '{program()}' {flags} about:blank 3<&{to_it[0]} 4>&{from_it[1]}"
    process = subprocess.Popen(["bash", "-c", command], pass_fds=(to_it[0], from_it[1]),
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
    os.close(to_it[0]), os.close(from_it[1])
    try:
        yield Page(to_it[1], from_it[0])
    finally:
        process.terminate()
        process.wait(20)
        os.close(to_it[1]), os.close(from_it[0])
