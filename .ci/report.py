"""The report in a browser: `.ci/report.py BINARY [FOLDER]`, with playwright installed and Chromium on the PATH.

Makes a batch against the emulator, interrupted once, with device IDs that are HTML, formulas, right-to-left and long;
opens its report and 100,000 rows; fails on any console message, an empty chart, a search that does not narrow the table,
markup that came alive, or a page that is too slow or too large. Screenshots go to FOLDER.
"""

import json
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from playwright.sync_api import sync_playwright

BINARY = pathlib.Path(sys.argv[1]).resolve()
SHOTS = pathlib.Path(sys.argv[2]).resolve() if len(sys.argv) > 2 else None
SCRIPT_ID = "<script>document.title='owned'</script>"
ODD_IDS = [SCRIPT_ID, "<img src=x onerror=alert(1)>", "=HYPERLINK(1)", "مرحبا-كاميرا", "x" * 256, "a\u202eb", "tab\there"]
LARGEST_PAGE = 10 * 1024 * 1024
# Seconds; usually a tenth of this.
LONGEST_WRITING = 2.0


def batch(folder):
    manifest = folder / "devices.csv"
    lines = ["device_id,region"]
    for number in range(400):
        region = "eu-central-1" if number % 4 else "us-west-2"
        lines.append(f"CAM-{number:05},{region}")
    for odd in ODD_IDS:
        lines.append('"' + odd.replace('"', '""') + '",eu-central-1')
    manifest.write_text("\n".join(lines) + "\n", encoding="utf-8")
    emulator = subprocess.Popen(
        [BINARY, "emulator", "--listen", "127.0.0.1:0", "--fault", "503=2%@create", "--fault", "throttle=3%@create"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        url = re.search(r"http://\S+", emulator.stdout.readline()).group()
        run = [BINARY, "provision", manifest, "--endpoint-url", url, "-q"]
        first = subprocess.Popen(run)
        time.sleep(2.5)
        first.send_signal(signal.SIGINT)
        assert first.wait() == 130, "the first run was not interrupted"
        report = folder / "report.html"
        again = subprocess.run([*run, "--report", report], check=False)
        assert again.returncode == 3, again.returncode
    finally:
        emulator.terminate()
        emulator.wait()
    return report


def many(folder):
    """100,000 rows, some of them failed."""
    results = folder / "many.results.csv"
    header = "device_id,channel_name,account,region,status,channel_arn,attempts,started_at,finished_at,error_code,error_message,request_id"
    with results.open("w") as file:
        file.write(header + "\n")
        for number in range(100_000):
            device = f"CAM-{number:08}"
            at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(1_790_000_000 + number // 50))
            times = f"{at}.{number % 50 * 20:03}Z,{at}.{number % 50 * 20 + 19:03}Z"
            request = f"2e634f09-0e03-4ba5-a9ac-{number:012x}"
            account = "123456789012"
            if number % 1_000 == 7:
                row = f"failed,,8,{times},Timeout,no answer within 10 s,{request}"
            else:
                arn = f"arn:aws:kinesisvideo:eu-central-1:{account}:channel/{device}/{1_790_000_000_000 + number}"
                row = f"created,{arn},1,{times},,,{request}"
            file.write(f"{device},{device},{account},eu-central-1,{row}\n")
    page = folder / "many.html"
    begun = time.monotonic()
    subprocess.run([BINARY, "report", results, "--html", page, "-q"], check=True, stdout=subprocess.DEVNULL)
    took, size = time.monotonic() - begun, page.stat().st_size
    print(f"100,000 rows: written in {took:.2f} s, {size / 1024 / 1024:.1f} MiB")
    assert size <= LARGEST_PAGE, size
    assert took <= LONGEST_WRITING, f"{took:.1f} s"
    return page


class Page:
    """A page, with the errors and warnings of the browser."""

    def __init__(self, browser, file, **options):
        self.complaints = []
        self.page = browser.new_context(offline=True, **options).new_page()
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: self.complaints.append(dialog.message))
        self.requests = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(file.as_uri())

    def rows(self):
        return self.page.locator("#rows tbody tr:not(.gap)").count()

    def count(self):
        return self.page.locator("#count").inner_text()

    def search(self, text):
        self.page.fill("#search", text)
        self.page.wait_for_timeout(150)

    def end(self):
        assert not self.complaints, self.complaints
        others = [url for url in self.requests if not url.startswith("file:")]
        assert not others and len(self.requests) == 1, self.requests
        self.page.close()


def check(browser, report):
    page = Page(browser, report)
    drawn = page.page.locator("figure svg")
    assert drawn.count() == 5, f"{drawn.count()} charts"
    for place in range(drawn.count()):
        shapes = drawn.nth(place).locator("rect, polyline, polygon, line, path").count()
        assert shapes > 5, f"chart {place} is empty"
        box = drawn.nth(place).bounding_box()
        assert box["width"] > 300 and box["height"] > 100, box
    assert page.count().endswith(f"of {400 + len(ODD_IDS)}"), page.count()
    page.search("cam-00123")
    assert page.count().startswith("1 of"), page.count()
    assert page.rows() == 1
    page.search("<script>")
    assert page.count().startswith("1 of"), page.count()
    assert page.page.locator("#rows tbody td").first.inner_text() == SCRIPT_ID
    page.search("")
    page.page.select_option("#status", label="invalid")
    page.page.wait_for_timeout(100)
    assert page.count().startswith(f"{len(ODD_IDS) - 1} of"), page.count()
    text = page.page.locator("body").inner_text()
    assert "a\\u{202e}b" in text and "tab\\there" in text, "control characters are not visible"
    assert page.page.title() != "owned"
    assert page.page.locator("script").count() == 2
    assert page.page.locator("img").count() == 0
    page.end()


def check_many(browser, report):
    page = Page(browser, report)
    page.page.wait_for_selector("#rows tbody tr:not(.gap)")
    assert page.count() == "100,000 of 100,000", page.count()
    assert page.rows() < 100, page.rows()
    begun = time.monotonic()
    page.search("cam-00099999")
    assert page.count().startswith("1 of"), page.count()
    print(f"first search in 100,000 rows: {time.monotonic() - begun:.2f} s")
    page.search("timeout")
    assert page.count().startswith("100 of"), page.count()
    page.search("")
    page.page.eval_on_selector("#rows", "box => { box.scrollTop = box.scrollHeight; }")
    page.page.wait_for_timeout(200)
    assert "CAM-00099999" in page.page.locator("#rows tbody").inner_text()
    page.page.locator("#rows th button", has_text="status").click()
    page.page.wait_for_timeout(500)
    first = page.page.locator("#rows tbody tr:not(.gap)").first.inner_text()
    assert "created" in first, first
    page.page.locator("#rows th button", has_text="status").click()
    page.page.wait_for_timeout(500)
    first = page.page.locator("#rows tbody tr:not(.gap)").first.inner_text()
    assert "failed" in first, first
    page.end()


def check_print(browser, report):
    page = Page(browser, report)
    pdf = page.page.pdf(format="A4")
    page.end()
    sheets = len(re.findall(rb"/Type\s*/Page\b", pdf))
    print(f"printed: {sheets} sheets")
    if SHOTS is not None:
        SHOTS.mkdir(parents=True, exist_ok=True)
        (SHOTS / "report.pdf").write_bytes(pdf)
    assert 3 <= sheets <= 20, sheets


def shots(browser, report):
    if SHOTS is None:
        return
    SHOTS.mkdir(parents=True, exist_ok=True)
    for scheme in ("light", "dark"):
        for width in (1280, 400):
            page = Page(browser, report, color_scheme=scheme, viewport={"width": width, "height": 900})
            sideways = page.page.evaluate("document.documentElement.scrollWidth - innerWidth")
            assert sideways <= 0, f"{width} pixels: the page is {sideways} too wide"
            page.page.screenshot(path=SHOTS / f"report-{scheme}-{width}.png", full_page=True)
            page.end()


def main():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="kvs-fleet-report-"))
    try:
        report, large = batch(folder), many(folder)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium") or shutil.which("chromium-browser"), args=["--no-sandbox"]
            )
            check(browser, report)
            check_many(browser, large)
            check_print(browser, report)
            shots(browser, report)
            print(json.dumps({"browser": browser.version, "report": "sound"}))
            browser.close()
    finally:
        shutil.rmtree(folder)


main()
