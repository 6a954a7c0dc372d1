"""The live page in a browser, and its server: `.ci/live.py BINARY [FOLDER] [--axe FILE] [--only PART]... [--pairs N]`.

Needs playwright, Chromium on the PATH, and axe-core's `axe.min.js` (by default the script fetches it by npm). All processes run
on loopback, on free ports, and are ended by their process IDs. Screenshots go to FOLDER. The parts:

- `watch`: one page stays open over three runs of one batch of 2,000 devices on one port: one interrupted by SIGINT, one killed by
  SIGKILL, one to the end, with throttles, faults, failing and invalid devices. Counts, chart, `<details>`, focus, widths,
  announcements, requests, console messages, accessibility.
- `many`: 100,000 devices, thousands of them invalid: the page stays small.
- `server`: which requests are refused, the headers, and that no secret is in an answer.
- `abuse`: idle, slow, huge, pipelined and half-closed connections: a run goes on, and viewers get an answer.
  These two run beside the first two.
- `viewers`: 100 viewers and one that never reads, beside a run without any: N interleaved pairs (1 by default).

Wall-clock figures are printed, and only very loose bounds of them fail.
"""

import argparse
import asyncio
import collections
import contextlib
import csv
import os
import pathlib
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

from bench import WAIT_SECONDS, Bench, free_port, get, is_served, no_process_left, start, status_of, wait_for
from checks import Checks

AXE = "axe-core@4.14.1"
WIDTHS = (320, 1280, 1920)
AXE_WIDTHS = (320, 1280)
SCHEMES = ("light", "dark")
# Of the page after its process was killed and started again.
CAUGHT_UP_SECONDS = 3
MARKERS = {
    "AWS_ACCESS_KEY_ID": "AKIAMARKER7EXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "marker-secret-4vJ9",
    "AWS_SESSION_TOKEN": "marker-token-8sQ2",
    "KVS_FLEET_QUOTA_SERVER_PASSWORD": "marker-password-1xW6",
}
CHECKS = Checks()


def figure(text):
    print(f"      {text}", flush=True)


# The page in a browser

OBSERVER = """
window.announced = [];
const box = document.getElementById('spoken');
let last = box.textContent;
new MutationObserver(() => {
  if (box.textContent !== last) { last = box.textContent; window.announced.push(last); }
}).observe(box, { childList: true, characterData: true, subtree: true });
"""
# What Chromium itself says of a server that is gone.
GONE = re.compile(r"Failed to load resource: net::ERR_(CONNECTION_\w+|INCOMPLETE_CHUNKED_ENCODING|EMPTY_RESPONSE)")


class Page:
    """A page with its console messages and requests."""

    def __init__(self, browser, url, width=1280, scheme="light"):
        self.url = url
        self.complaints = []
        self.gone = []
        self.requests = []
        size = {"width": width, "height": 900}
        self.context = browser.new_context(viewport=size, color_scheme=scheme, reduced_motion="reduce")
        self.page = self.context.new_page()
        self.page.on("console", lambda message: self._note(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: self.complaints.append(dialog.message))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(f"{url}/", wait_until="load")

    def _note(self, text):
        (self.gone if GONE.match(text) else self.complaints).append(text)

    def text(self, selector):
        return self.page.locator(selector).first.inner_text()

    def done(self):
        """How many are done."""
        return int(self.text("#progress .big strong").replace(",", ""))

    def tiles(self):
        pairs = "tiles => [...tiles.querySelectorAll('div')].map(tile => [...tile.children].map(part => part.textContent))"
        return dict(self.page.eval_on_selector("#progress .tiles", pairs))

    def stage(self):
        return self.page.locator("#progress .stage").get_attribute("data-stage")

    def wait(self, condition, seconds=WAIT_SECONDS):
        """The seconds until the condition holds, or None. Events of the page are handled meanwhile."""
        begun = time.monotonic()
        while time.monotonic() - begun < seconds:
            if condition():
                return time.monotonic() - begun
            self.page.wait_for_timeout(50)
        return None

    def is_connected(self):
        return self.page.locator("#lost").is_hidden()

    def foreign(self):
        """Requests to anything but the server of the page."""
        return [url for url in self.requests if not url.startswith(self.url)]

    def close(self):
        self.context.close()


def wide(page):
    return page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")


def look(browser, url, axe, name, shots):
    """The page at all widths in light and dark: no sideways scrolling, no serious violation, and pictures."""
    problems, sideways = {}, {}
    for scheme in SCHEMES:
        page = Page(browser, url, WIDTHS[0], scheme)
        for width in WIDTHS:
            page.page.set_viewport_size({"width": width, "height": 900})
            page.page.wait_for_timeout(200)
            if wide(page.page) > 0:
                sideways[f"{scheme} {width}"] = wide(page.page)
            if width in AXE_WIDTHS:
                for violation in violations(page.page, axe):
                    problems.setdefault(violation, []).append(f"{scheme} {width}")
            if shots is not None:
                page.page.screenshot(path=shots / f"live-{name}-{scheme}-{width}.png", full_page=True)
        page.close()
    CHECKS.check(f"{name}: widths at which the page scrolls sideways", sideways, {})
    CHECKS.check(f"{name}: serious and critical violations that axe-core finds", problems, {})


def violations(page, axe):
    page.evaluate(axe)
    result = page.evaluate("axe.run(document)")
    assert len(result["passes"]) > 20, "axe-core has checked next to nothing"
    found = result["violations"]
    return [
        f"{one['id']}: {one['help']} ({one['nodes'][0]['target'][0]})"
        for one in found
        if one["impact"] in ("serious", "critical")
    ]


def axe_source(given):
    if given is not None:
        return pathlib.Path(given).read_text()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="kvs-fleet-axe-"))
    try:
        (folder / "package.json").write_text('{"private": true}')
        subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund", AXE], cwd=folder, check=True)
        return (folder / "node_modules/axe-core/axe.min.js").read_text()
    finally:
        shutil.rmtree(folder)


@contextlib.contextmanager
def chromium():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = shutil.which("chromium") or shutil.which("chromium-browser")
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


ODD = ["<img src=x onerror=alert(1)>", "</div><script>document.title='owned'</script>", "x" * 256, "a\u202eb", "مرحبا-كاميرا"]


def watch(binary, options):
    """One page over three runs of one batch on one port."""
    axe = axe_source(options.axe)
    faults = ["--fault", "500=12%@create", "--fault", "reset-after=1%@create"]
    with Bench(binary, "--rate", "50", "--burst", "30", *faults) as bench, chromium() as browser:
        bench.manifest(2000, ODD)
        port = free_port()
        address = f"127.0.0.1:{port}"
        arguments = ["--rate", "65", "--max-attempts", "2", "-q", "--timeout", "3s"]
        quiet = dict(address=address)
        first = bench.provision(*arguments, **quiet)
        url = f"http://{address}"
        assert wait_for(lambda: is_served(url)) is not None, first.messages
        page = Page(browser, url)
        page.page.evaluate(OBSERVER)
        try:
            watch_first(page, first)
            watch_second(page, bench, browser, axe, (arguments, quiet), options.shots)
            watch_third(page, bench, browser, axe, (arguments, quiet), options.shots)
        finally:
            page.close()


def watch_first(page, run):
    """The chart moves, details and focus stay; then SIGINT."""
    assert page.wait(lambda: page.page.locator("#rate svg").count() > 0) is not None, "there is no chart"
    chart = page.page.inner_html("#rate")
    done = page.done()
    CHECKS.check(
        "the chart changes while the run goes on",
        page.wait(lambda: page.page.inner_html("#rate") != chart, 5) is not None,
        True,
    )
    CHECKS.check("the count rises while the run goes on", page.wait(lambda: page.done() > done, 5) is not None, True)
    assert page.wait(lambda: page.page.locator("#failures details").count() >= 2) is not None, "no failures"
    # The other way round than the server renders it.
    details = "document.querySelectorAll('#failures details')"
    page.page.evaluate(f"[...{details}].forEach(each => {{ each.open = !each.open; }})")
    wanted = dict(page.page.evaluate(f"[...{details}].map(each => [each.dataset.key, each.open])"))
    page.page.locator("#failures details summary").first.focus()
    focused = page.page.evaluate("document.activeElement.closest('details').dataset.key")
    before = page.page.inner_html("#failures")
    updated = page.wait(lambda: page.page.inner_html("#failures") != before, 15)
    CHECKS.check("the failures change while the run goes on", updated is not None, True)
    page.page.wait_for_timeout(1500)
    found = dict(page.page.evaluate(f"[...{details}].map(each => [each.dataset.key, each.open])"))
    CHECKS.check("details that the viewer opened and closed stay so", {key: found[key] for key in wanted}, wanted)
    kept = page.page.evaluate("(document.activeElement.closest('details') || {dataset: {}}).dataset.key")
    CHECKS.check("the focus stays", kept, focused)
    CHECKS.check("no console message while the process is there", page.complaints + page.gone, [])
    run.process.send_signal(signal.SIGINT)
    CHECKS.check("SIGINT ends the run", run.wait(), 130)
    said = page.wait(lambda: not page.is_connected(), 10)
    CHECKS.check(
        "the page reports that the run has ended", said is not None and page.text("#lost").startswith("The run has ended"), True
    )
    CHECKS.check("the page has the end of the run", page.stage(), "ended")


def watch_second(page, bench, browser, axe, run, shots):
    """The same command on the same port; pictures; then SIGKILL."""
    arguments, quiet = run
    began = time.monotonic()
    second = bench.provision(*arguments, **quiet)
    CHECKS.check("the page follows the second run", page.wait(page.is_connected, 10) is not None, True)
    figure(f"after the interruption: caught up {time.monotonic() - began:.1f} s after the next start of the process")
    page.wait(lambda: page.stage() == "working", 10)
    page.wait(lambda: status_of(page.url)["rate"]["granted"] is not None, 15)
    page.page.wait_for_timeout(6000)
    look(browser, page.url, axe, "running", shots)
    CHECKS.check(
        "the page counts what the first run did", page.done() > int(page.tiles()["done before"].replace(",", "")), True
    )
    second.process.send_signal(signal.SIGKILL)
    second.wait()
    assert page.wait(lambda: not page.is_connected(), 10) is not None, "the page does not notice that the process is gone"
    CHECKS.check("the page reports a lost connection", page.text("#lost").startswith("No connection to the run since"), True)
    # The longest wait between two attempts of the page is over.
    page.page.wait_for_timeout(4000)


def watch_third(page, bench, browser, axe, run, shots):
    """The page catches up after SIGKILL and is there at the end."""
    arguments, quiet = run
    began = time.monotonic()
    third = bench.provision(*arguments, "--serve-linger", "120s", "--summary-json", "summary.json", **quiet)
    assert page.wait(lambda: is_served(page.url)) is not None, third.messages
    served = time.monotonic()
    page.wait(page.is_connected, 15)
    connected = time.monotonic()
    behind = status_of(page.url)["live"]["done"]
    page.wait(lambda: page.done() >= behind, 10)
    took = time.monotonic() - served
    figure(
        f"after SIGKILL: connected {connected - served:.1f} s, caught up {took:.1f} s after the process served again, "
        f"{time.monotonic() - began:.1f} s after its start"
    )
    CHECKS.check(f"caught up within {CAUGHT_UP_SECONDS} s", took <= CAUGHT_UP_SECONDS, True)
    allowed = len(page.gone)
    assert page.wait(lambda: page.stage() == "ended", 120) is not None, page.text("#progress")
    page.page.wait_for_timeout(1500)
    check_end(page, bench)
    CHECKS.check("no console message but Chromium's own about a server that is gone", page.complaints, [])
    CHECKS.check("none of those after the process was there again", len(page.gone), allowed)
    CHECKS.check("no request to another origin", page.foreign(), [])
    CHECKS.check(
        "markup in device IDs stays text", (page.page.locator("img").count(), "owned" in page.page.title()), (0, False)
    )
    announced = page.page.evaluate("window.announced")
    figure(f"announcements in three runs: {len(announced)}: {announced}")
    CHECKS.check("few announcements", len(announced) <= 20, True)
    chart = page.page.inner_html("#rate")
    look(browser, page.url, axe, "ended", shots)
    CHECKS.check("the chart stays as it was at the end", page.page.inner_html("#rate") == chart, True)
    third.process.send_signal(signal.SIGINT)
    CHECKS.check("a signal ends the wait after the end, with the code of the run", third.wait(10), 3)
    watch_others(page, bench, quiet)


def watch_others(page, bench, quiet):
    """Other commands on the same address, while the page stays open."""
    for command, arguments, heading in [
        ("verify", [], "Verifying"),
        ("rollback", ["--yes", "--device", "CAM-000001"], "Deleting"),
    ]:
        other = bench.provision(
            "-q", "--serve-linger", "60s", *arguments, command=command, manifest="devices.results.csv", **quiet
        )
        title = f"{heading} signaling channels: devices.results.csv"
        followed = page.wait(lambda title=title: title in page.page.title(), 15)
        CHECKS.check(f"the page follows a {command} on the same address", followed is not None, True)
        CHECKS.check(f"{command}: the heading", page.text("h1"), title)
        ended = page.wait(lambda: page.stage() == "ended", 60)
        CHECKS.check(f"{command}: it ends", ended is not None, True)
        page.page.wait_for_timeout(1500)
        share = page.text("#progress .bar span") if page.page.locator("#progress .bar").count() else "no bar"
        CHECKS.check(f"{command}: the bar at the end", share in ("100 %", "no bar"), True)
        cells = "table => [...table.querySelectorAll('tbody tr')].map(row => row.children[1].textContent)"
        states = page.page.eval_on_selector("#regions", cells)
        CHECKS.check(f"{command}: the states of the Regions at the end", set(states) - {"done"}, set())
        other.stop()


def check_end(page, bench):
    """Page, /status.json, /metrics, summary and results agree."""
    statuses, tiles = bench.statuses(), page.tiles()
    # The summary is written before the page waits.
    summary = bench.json("summary.json")
    status = status_of(page.url)
    number = lambda name: int(tiles.get(name, "0").replace(",", ""))
    with_channel = statuses["created"] + statuses["exists"]
    CHECKS.check("end: the page's number of devices with a channel", page.done(), with_channel)
    CHECKS.check(
        "end: created, existed and done before make it",
        number("created") + number("existed") + number("done before"),
        with_channel,
    )
    counts = summary["devices"]
    tiles_of_run = (number("created"), number("existed"), number("failed"), number("invalid"), number("done before"))
    of_summary = (counts["created"], counts["exists"], counts["failed"], counts["invalid"], counts["done_before"])
    CHECKS.check("end: the tiles are the summary's counts", tiles_of_run, of_summary)
    CHECKS.check(
        "end: failed and invalid rows", (counts["failed"], counts["invalid"]), (statuses["failed"], statuses["invalid"])
    )
    listed = "failures => [...failures.querySelectorAll('h3')].map(head => head.textContent)"
    shown = collections.Counter()
    for head in page.page.eval_on_selector("#failures", listed):
        code, count = re.fullmatch(r"(\S+) – ([\d,]+) rows?", head).groups()
        shown[code] += int(count.replace(",", ""))
    with (bench.path / "devices.results.csv").open(newline="", encoding="utf-8") as file:
        codes = collections.Counter(row["error_code"] for row in csv.DictReader(file) if row["error_code"])
    CHECKS.check("end: the failures by code are those of the results", dict(shown), dict(codes))
    live, rate = status.pop("live"), status["rate"]
    rate.pop("now")
    CHECKS.check(
        "end: /status.json is the summary", status, {**summary, **{key: status[key] for key in status.keys() - summary.keys()}}
    )
    CHECKS.check("end: /status.json names no field that the summary lacks", sorted(status.keys() - summary.keys()), [])
    CHECKS.check("end: the stage", (live["stage"], live["done"]), ("ended", with_channel))
    metrics = get(page.url, "/metrics")[2]
    finished = {match[1]: int(match[2]) for match in re.finditer(r'devices_finished_total\{status="(\w+)"\} (\d+)', metrics)}
    CHECKS.check(
        "end: /metrics has the same counts",
        [finished[key] for key in ("created", "exists", "failed", "invalid")],
        [counts[key] for key in ("created", "exists", "failed", "invalid")],
    )


def many(binary, options):
    """100,000 devices."""
    with (
        Bench(binary, "--rate", "5000", "--burst", "5000", "--latency", "5ms", "--channel-limit", "100000") as bench,
        chromium() as browser,
    ):
        bench.manifest(95_000, [f"bad id {number}" for number in range(5_000)])
        address = f"127.0.0.1:{free_port()}"
        arguments = ["--rate", "4000", "--workers", "256", "--limit", "30000", "-q", "--serve-linger", "60s"]
        run = bench.provision(*arguments, address=address)
        url = f"http://{address}"
        assert wait_for(lambda: is_served(url)) is not None, run.messages
        begun = time.monotonic()
        page = Page(browser, url)
        loaded = time.monotonic() - begun
        page.wait(lambda: page.done() > 5_000, 60)
        begun = time.monotonic()
        size = len(get(url, "/")[2])
        answered = time.monotonic() - begun
        page.page.evaluate(
            "window.longest = 0; new PerformanceObserver(list => { for (const each of list.getEntries()) "
            "window.longest = Math.max(window.longest, each.duration); }).observe({ type: 'longtask' })"
        )
        assert page.wait(lambda: page.stage() == "ended", 120) is not None, page.text("#progress")
        elements = page.page.evaluate("document.querySelectorAll('*').length")
        longest = page.page.evaluate("window.longest")
        event = first_event(url)
        figure(
            f"100,000 devices: opened in {loaded:.2f} s; / is {size / 1024:.0f} KiB in {answered * 1000:.0f} ms; a whole event is "
            f"{len(event) / 1024:.0f} KiB; {elements} elements; longest task of the page {longest:.0f} ms; "
            f"{run.memory():.0f} MiB"
        )
        CHECKS.check("100,000 devices: a small page", (size < 500_000, elements < 5_000, longest < 1_000), (True, True, True))
        counts = status_of(url)["devices"]
        CHECKS.check("100,000 devices: all rows are counted", (counts["listed"], counts["invalid"]), (95_000, 5_000))
        CHECKS.check("100,000 devices: no console message", page.complaints + page.gone, [])
        page.close()
        run.stop()


def first_event(url):
    """The first event of the stream."""
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=WAIT_SECONDS) as sock:
        sock.sendall(f"GET /events HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        text = b""
        while b"\n\n" not in text.partition(b"\r\n\r\n")[2]:
            text += sock.recv(65536)
    return text.partition(b"\r\n\r\n")[2]


# The server


def server(binary, _):
    check_denied_account(binary)
    with Bench(binary, "--fault", "500=5%@create", "--fault", "throttle=5%@create") as bench:
        bench.manifest(200, ODD)
        variables = {**MARKERS, "HTTPS_PROXY": "http://user:marker-proxy-5hT3@127.0.0.1:9", "NO_PROXY": "127.0.0.1"}
        quota = f"redis://marker-user-3kD7@127.0.0.1:{free_port()}"
        run = bench.provision("--quota-server", quota, "--serve-linger", "60s", **variables)
        url = run.url()
        texts = {}
        check_refusals(url)
        check_headers(url, texts)
        time.sleep(4)
        for path in ("/", "/status.json", "/metrics"):
            texts[f"{path} while running"] = get(url, path)[2]
        texts["/events"] = first_event(url).decode()
        assert wait_for(lambda: status_of(url)["live"]["stage"] == "ended", 60) is not None, run.messages
        for path in ("/", "/status.json", "/metrics"):
            texts[f"{path} at the end"] = get(url, path)[2]
        texts["messages"] = "\n".join(run.messages)
        found = [(name, marker) for name, text in texts.items() for marker in (*MARKERS.values(), "marker-") if marker in text]
        CHECKS.check("no secret in the page, the events, the status, the metrics and the messages", found, [])
        run.stop()
        for address in ("0.0.0.0:0", "[::]:0"):
            refused = bench.provision(address=address)
            CHECKS.check(f"--serve {address} without --allow-remote", refused.wait(), 2)
            CHECKS.check(
                f"--serve {address}: the message names the flag", "--allow-remote" in "\n".join(refused.messages), True
            )
        remote = bench.provision("--recheck", "--allow-remote", "--serve-linger", "20s", address="0.0.0.0:0")
        CHECKS.check("--allow-remote serves", get(remote.url(), "/status.json")[0], 200)
        taken = remote.url().rsplit(":", 1)[1]
        refused = bench.provision(address=f"127.0.0.1:{taken}")
        CHECKS.check("a port in use", (refused.wait(), "in use" in "\n".join(refused.messages)), (2, True))
        remote.stop()


def check_denied_account(binary):
    """All Regions of an account whose role is denied are shown as denied."""
    denied = "111111111112"
    with Bench(binary, "--deny-account", denied) as bench:
        rows = [
            f"D-{account}-{region}-{number},{account},{region}\n"
            for account in ("111111111111", denied)
            for region in ("eu-central-1", "us-west-2")
            for number in range(5)
        ]
        (bench.path / "devices.csv").write_text("device_id,account,region\n" + "".join(rows))
        run = bench.provision("--role-arn", "arn:aws:iam::{account}:role/x", "--serve-linger", "30s")
        url = run.url()
        ended = wait_for(lambda: status_of(url)["live"]["stage"] == "ended")
        assert ended is not None, run.messages
        shown = re.findall(r'<td class="mono">(\d+)</td><td>([\w-]+)</td><td[^>]*>([^<]*)</td>', get(url, "/")[2])
        states = {account: {state for other, _, state in shown if other == account} for account, _, _ in shown}
        CHECKS.check(
            "the states of an account that is denied, and of another", states, {"111111111111": {"done"}, denied: {"denied"}}
        )
        run.stop()


def check_refusals(url):
    host = url.removeprefix("http://")
    port = host.rsplit(":", 1)[1]
    for name, expected in [
        (host, 200),
        ("localhost", 200),
        (f"LOCALHOST:{port}", 200),
        (f"[::1]:{port}", 200),
        (socket.gethostname(), 200),
        ("evil.example", 421),
        (f"evil.example:{port}", 421),
        ("127.0.0.1.evil.example", 421),
        ("localhost.evil.example", 421),
        ("", 421),
    ]:
        for path in ("/", "/events", "/status.json", "/metrics"):
            if path == "/events" and expected == 200:
                continue
            CHECKS.check(f"Host {name!r}, {path}", get(url, path, headers={"Host": name})[0], expected)
    for request, expected in [
        ("GET http://evil.example/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", "421"),
        ("GET / HTTP/1.0\r\n\r\n", "421"),
        ("GET / HTTP/1.1\r\n\r\n", "421"),
        ("GET /../../etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n", "404"),
        ("GET /%2e%2e/status.json HTTP/1.1\r\nHost: localhost\r\n\r\n", "404"),
        ("nonsense\r\n\r\n", "400"),
    ]:
        CHECKS.check(f"request {request.splitlines()[0]!r}", raw(url, request).split(" ")[1:2], [expected])
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"):
        for path in ("/", "/events", "/status.json", "/metrics", "/other"):
            code, headers, _ = get(url, path, method)
            CHECKS.check(f"{method} {path}", (code, headers.get("allow")), (405, "GET, HEAD"))
    CHECKS.check("HEAD /", (lambda answer: (answer[0], answer[2]))(get(url, "/", "HEAD")), (200, ""))
    CHECKS.check("GET /other", get(url, "/other")[0], 404)


def check_headers(url, texts):
    for path in ("/", "/status.json", "/metrics", "/other"):
        _, headers, texts[path] = get(url, path)
        expected = {
            "cache-control": "no-store",
            "referrer-policy": "no-referrer",
            "x-content-type-options": "nosniff",
            "cross-origin-resource-policy": "same-origin",
        }
        CHECKS.check(f"{path}: headers", {name: headers.get(name) for name in expected}, expected)
        CHECKS.check(f"{path}: no other origin may read it", headers.get("access-control-allow-origin"), None)
    policy = get(url, "/")[1]["content-security-policy"]
    parts = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    CHECKS.check(
        "policy: script by its hash only", re.fullmatch(r"'sha256-[\w+/=]+'", parts.pop("script-src")) is not None, True
    )
    expected = {
        "default-src": "'none'",
        "style-src": "'unsafe-inline'",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    CHECKS.check("policy: the rest", parts, expected)


def raw(url, request, close=False, seconds=5):
    """What the server sends for these bytes."""
    host, port = url.removeprefix("http://").split(":")
    text = b""
    with socket.create_connection((host, int(port)), timeout=seconds) as sock:
        sock.settimeout(seconds)
        with contextlib.suppress(OSError):
            sock.sendall(request.encode() if isinstance(request, str) else request)
            if close:
                sock.shutdown(socket.SHUT_WR)
            sock.settimeout(1)
            while piece := sock.recv(65536):
                text += piece
    return text.decode("utf-8", "replace")


def abuse(binary, _):
    """The run does not notice what connections do, and a new viewer gets an answer."""
    with Bench(binary) as bench:
        bench.manifest(1000)
        run = bench.provision("--serve-linger", "60s", "--summary-json", "summary.json")
        url = run.url()
        host, port = url.removeprefix("http://").split(":")
        pipelined = "GET /status.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 50
        CHECKS.check("50 pipelined requests", raw(url, pipelined).count("HTTP/1.1 200"), 50)
        half = [raw(url, "GET /status.json HTTP/1.1\r\nHost: localhost\r\n\r\n", close=True) for _ in range(20)]
        answered = sum(text.startswith("HTTP/1.1 200") for text in half)
        figure(f"sockets that are half closed after their request: {answered} of {len(half)} got an answer")
        CHECKS.check("most of them did", answered > len(half) / 2, True)
        huge = raw(url, "GET / HTTP/1.1\r\nHost: localhost\r\nX: " + "x" * 4_000_000 + "\r\n\r\n")
        CHECKS.check("a header of 4 MB", huge[:12] in ("HTTP/1.1 431", "HTTP/1.1 400", ""), True)
        many_headers = raw(url, "GET / HTTP/1.1\r\nHost: localhost\r\n" + "X: y\r\n" * 2000 + "\r\n")
        CHECKS.check("2,000 headers", many_headers[:12] in ("HTTP/1.1 431", "HTTP/1.1 400", ""), True)
        body = raw(url, b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000000\r\n\r\n" + b"x" * 1_000_000)
        CHECKS.check("a body of 100 MB is not read", body[:12] in ("HTTP/1.1 405", ""), True)
        sockets = []
        try:
            for _ in range(600):
                sockets.append(socket.create_connection((host, int(port)), timeout=5))
            for sock in sockets[:50]:
                sock.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
            begun = time.monotonic()
            answer = None
            with contextlib.suppress(OSError):
                answer = get(url, "/status.json", timeout=60)[0]
            figure(f"600 idle connections: a new viewer waits {time.monotonic() - begun:.1f} s for an answer")
            CHECKS.check("600 idle connections: a new viewer gets an answer", answer, 200)
        finally:
            for sock in sockets:
                sock.close()
        for number in range(200):
            sock = socket.create_connection((host, int(port)), timeout=5)
            # A reset in place of an orderly end.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
            sock.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n"[: 10 + number % 40])
            sock.close()
        CHECKS.check("after 200 resets", get(url, "/status.json")[0], 200)
        assert wait_for(lambda: status_of(url)["live"]["stage"] == "ended", 60) is not None, run.messages
        memory = run.memory()
        run.stop()
        summary = bench.json("summary.json")
        figure(f"the run meanwhile: {summary['rate']['achieved']:.1f} channels a second; {memory:.0f} MiB")
        CHECKS.check("the run did not notice", (summary["exit_code"], summary["devices"]["created"]), (0, 1000))
        CHECKS.check("memory", memory < 200, True)


# Many viewers


class Viewers(threading.Thread):
    """Viewers of /events, and one that does not read."""

    def __init__(self, url, count):
        super().__init__(daemon=True)
        self.url, self.count = url, count
        self.bytes = [0] * count
        self.loop = asyncio.new_event_loop()

    def run(self):
        asyncio.set_event_loop(self.loop)
        self.loop.run_until_complete(self.watch())

    async def watch(self):
        await asyncio.gather(*(self.one(number) for number in range(self.count)), self.stuck(), return_exceptions=True)

    async def connect(self):
        host, port = self.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(f"GET /events HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        return reader, writer

    async def one(self, number):
        reader, writer = await self.connect()
        while piece := await reader.read(1 << 18):
            self.bytes[number] += len(piece)
        writer.close()

    async def stuck(self):
        host, port = self.url.removeprefix("http://").split(":")
        sock = socket.socket()
        # The window of a viewer that does not read fills at once.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.connect((host, int(port)))
        sock.sendall(f"GET /events HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        await asyncio.sleep(3600)


def viewers(binary, options):
    fast = ["--rate", "3000", "--burst", "100", "--latency", "5ms", "--channel-limit", "100000"]
    rows = []
    for number in range(options.pairs):
        for count in (0, 100) if number % 2 == 0 else (100, 0):
            rows.append(("3000/s", count, *measure(binary, fast, ["--rate", "3000", "--workers", "128"], 24_000, count)))
            rows.append(("50/s", count, *measure(binary, [], [], options.calm, count)))
    print_table(rows)
    for rate in ("3000/s", "50/s"):
        for count in (0, 100):
            found = [row for row in rows if row[:2] == (rate, count)]
            memory = max(row[3] for row in found)
            CHECKS.check(f"{rate}, {count} viewers: memory is bounded", memory < 250, True)
            CHECKS.check(f"{rate}, {count} viewers: every run was complete", [row[5] for row in found], [0] * len(found))


def print_table(rows):
    kinds = ("channels/s", "MiB", "CPU s")
    figure(
        f"{'pace':8}{'viewers':>8}"
        + "".join(f"{f'{kind} median':>20}{f'{kind} worst':>20}" for kind in kinds)
        + f"{'MB to viewers':>15}"
    )
    for rate, count in dict.fromkeys((row[0], row[1]) for row in rows):
        found = [row for row in rows if row[:2] == (rate, count)]
        cells = ""
        for place, worst in ((2, min), (3, max), (4, max)):
            values = [row[place] for row in found]
            cells += f"{statistics.median(values):20.2f}{worst(values):20.2f}"
        figure(f"{rate:8}{count:8}{cells}{statistics.median(row[6] for row in found):15.1f}")


def measure(binary, emulator, arguments, devices, count):
    """Channels a second, MiB, seconds of CPU, exit code, and MB sent to viewers."""
    with Bench(binary, *emulator) as bench:
        bench.manifest(devices)
        run = bench.provision(*arguments, "--summary-json", "summary.json")
        watching = Viewers(run.url(), count)
        if count:
            watching.start()
        cpu = 0.0
        while run.process.poll() is None:
            run.memory()
            cpu = cpu_of(run.process.pid, cpu)
            time.sleep(0.05)
        if count:
            CHECKS.check("every viewer got events", min(watching.bytes) > 1000, True)
        summary = bench.json("summary.json")
        return summary["rate"]["achieved"], run.highest_memory, cpu, summary["exit_code"], sum(watching.bytes) / 1e6


def cpu_of(pid, before):
    """Seconds of CPU that the process has used."""
    with contextlib.suppress(OSError):
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return before


PARTS = {"watch": watch, "many": many, "server": server, "abuse": abuse, "viewers": viewers}
# These wait most of the time, and run while others do.
BESIDE = ("server", "abuse")


def start_beside(options, name):
    command = [sys.executable, __file__, options.binary, "--only", name]
    return start(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def finish(beside):
    """Prints what the parts that ran beside the others found, and counts it."""
    for process in beside:
        said = process.communicate()[0]
        print(said, end="", flush=True)
        CHECKS.check("a part that ran beside the others", process.returncode, 0)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binary", type=lambda text: pathlib.Path(text).resolve())
    parser.add_argument("shots", nargs="?", type=lambda text: pathlib.Path(text).resolve(), help="a folder for screenshots")
    parser.add_argument("--axe", help="axe.min.js, in place of the one from npm")
    parser.add_argument("--only", action="append", choices=PARTS, help="run only this part; repeatable")
    parser.add_argument("--pairs", type=int, default=1, help="pairs of runs with and without viewers")
    parser.add_argument("--calm", type=int, default=400, help="devices of the runs at 50 a second")
    options = parser.parse_args()
    if options.shots is not None:
        options.shots.mkdir(parents=True, exist_ok=True)
    with no_process_left():
        beside = [] if options.only else [start_beside(options, name) for name in BESIDE]
        for name in options.only or [name for name in PARTS if name not in BESIDE]:
            if name == "viewers":
                finish(beside)
            begun = time.monotonic()
            print(f"-- {name}", flush=True)
            PARTS[name](options.binary, options)
            figure(f"{name}: {time.monotonic() - begun:.0f} s")
    print(f"{CHECKS.passed} passed, {CHECKS.failed} failed")
    return 1 if CHECKS.failed else 0


if __name__ == "__main__":
    sys.exit(main())
