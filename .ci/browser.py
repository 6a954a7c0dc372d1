"""The AWS SDKs for JavaScript in a browser: `.ci/browser.py BINARY`, with playwright installed, npm and Chromium on the PATH.

Serves a page on another origin than the emulator's, which drives `kvs-fleet emulator` with version 2 (its build for
browsers) and version 3 (bundled with esbuild), both from npm: create, create again, describe, list; then the same create
through faults. Fails on a wrong answer, an error whose name the SDK does not recognize, or any console message except those
about an HTTP status.
"""

import functools
import http.server
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading

from playwright.sync_api import sync_playwright

BINARY = pathlib.Path(sys.argv[1]).resolve()
PACKAGES = ["aws-sdk@2.1416.0", "@aws-sdk/client-kinesis-video@3.1116.0", "esbuild@0.28.2"]
PAGES = {
    "v2": """
<!doctype html><meta charset="utf-8"><title>v2</title><link rel="icon" href="data:,">
<script src="node_modules/aws-sdk/dist/aws-sdk.min.js"></script>
<script>
window.call = (endpoint, operation, input) => {
  const client = new AWS.KinesisVideo({
    endpoint, region: 'eu-central-1', accessKeyId: 'EMULATOR', secretAccessKey: 'not-a-secret', sessionToken: 'token',
    maxRetries: 3, retryDelayOptions: { base: 20 },
  });
  const method = operation[0].toLowerCase() + operation.slice(1);
  return client[method](input).promise().then(
    (output) => ({ output, id: output.$response.requestId }),
    (error) => ({ error: error.code, id: error.requestId, status: error.statusCode }));
};
</script>""",
    "v3": """
<!doctype html><meta charset="utf-8"><title>v3</title><link rel="icon" href="data:,">
<script src="v3.js"></script>""",
}
# The input of esbuild.
V3 = """
import * as sdk from '@aws-sdk/client-kinesis-video';
window.call = (endpoint, operation, input) => {
  const client = new sdk.KinesisVideoClient({
    endpoint, region: 'eu-central-1', maxAttempts: 4,
    credentials: { accessKeyId: 'EMULATOR', secretAccessKey: 'not-a-secret', sessionToken: 'token' },
  });
  return client.send(new sdk[operation + 'Command'](input)).then(
    (output) => ({ output, id: output.$metadata.requestId }),
    (error) => ({ error: error.name, id: error.$metadata?.requestId, status: error.$metadata?.httpStatusCode }));
};
"""


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves a folder and logs nothing."""

    def log_message(self, *_):
        pass


def site(folder):
    """Fetches the SDKs and serves the pages; returns the server."""
    (folder / "package.json").write_text('{"private": true}')
    npm = ["npm", "install", "--silent", "--no-audit", "--no-fund", *PACKAGES]
    subprocess.run(npm, cwd=folder, check=True)
    for name, page in PAGES.items():
        (folder / f"{name}.html").write_text(page)
    (folder / "v3-source.js").write_text(V3)
    bundle = ["node_modules/.bin/esbuild", "v3-source.js", "--bundle", "--platform=browser", "--log-level=warning"]
    subprocess.run([*bundle, "--outfile=v3.js"], cwd=folder, check=True)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


class Emulator:
    """A running `kvs-fleet emulator`."""

    def __init__(self, *flags):
        command = [BINARY, "emulator", "--listen", "127.0.0.1:0", "--latency", "0ms", *flags]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.url = re.search(r"http://\S+", self.process.stdout.readline()).group()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGINT)
        self.process.wait()


class Page:
    """A page with one of the SDKs."""

    def __init__(self, browser, origin, name):
        self.name, self.noise = name, []
        self.page = browser.new_page()
        self.page.on("console", lambda message: self.noise.append(message.text))
        self.page.on("pageerror", lambda error: self.noise.append(str(error)))
        self.page.goto(f"{origin}/{name}.html")

    def call(self, emulator, operation, **parameters):
        answer = self.page.evaluate("([url, operation, input]) => window.call(url, operation, input)",
                                    [emulator.url, operation, parameters])
        print(self.name, operation, parameters, {key: answer.get(key) for key in ("error", "status", "id")})
        return answer

    def close(self):
        # Chromium reports each HTTP status above 399 and each reset; requests that CORS blocks are reported in other words.
        expected = ("the server responded with a status of", "net::ERR_CONNECTION_RESET", "net::ERR_EMPTY_RESPONSE")
        noise = [text for text in self.noise if not any(part in text for part in expected)]
        # Version 2 logs in each page that it is in maintenance mode.
        noise = [text for text in noise if "maintenance mode" not in text and "end-of-support" not in text]
        assert not noise, noise
        self.page.close()


def check(page):
    with Emulator() as emulator:
        created = page.call(emulator, "CreateSignalingChannel", ChannelName="DEVICE_1")
        arn = created["output"]["ChannelARN"]
        assert arn.startswith("arn:aws:kinesisvideo:eu-central-1:000000000000:channel/DEVICE_1/"), created
        assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", created["id"]), created
        again = page.call(emulator, "CreateSignalingChannel", ChannelName="DEVICE_1")
        assert (again["error"], again["status"]) == ("ResourceInUseException", 400), again
        assert again["id"] and again["id"] != created["id"], again
        described = page.call(emulator, "DescribeSignalingChannel", ChannelName="DEVICE_1")
        assert described["output"]["ChannelInfo"]["ChannelARN"] == arn, described
        listed = page.call(emulator, "ListSignalingChannels")
        assert [channel["ChannelName"] for channel in listed["output"]["ChannelInfoList"]] == ["DEVICE_1"], listed
    for fault in ("500=first:1@create", "html-503=first:1@create", "reset-before=first:1@create"):
        with Emulator("--fault", fault) as emulator:
            created = page.call(emulator, "CreateSignalingChannel", ChannelName="DEVICE_1")
            assert "output" in created or fault.startswith("reset"), (fault, created)
    with Emulator("--fault", "throttle=1@create") as emulator:
        throttled = page.call(emulator, "CreateSignalingChannel", ChannelName="DEVICE_1")
        assert throttled["error"] == "ClientLimitExceededException", throttled


def main():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="kvs-fleet-browser-"))
    try:
        server = site(folder)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium") or shutil.which("chromium-browser"), args=["--no-sandbox"]
            )
            for name in PAGES:
                page = Page(browser, f"http://127.0.0.1:{server.server_port}", name)
                check(page)
                page.close()
            print(f"both SDKs in Chromium {browser.version}")
            browser.close()
    finally:
        shutil.rmtree(folder)


main()
