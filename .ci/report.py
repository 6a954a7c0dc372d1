"""The report in a browser: `.ci/report.py BINARY [FOLDER]`, with playwright installed, npm and Chromium on the PATH.

Makes batches of several kinds against the emulator, one of them interrupted once, with device IDs that are HTML, formulas,
right-to-left and long; opens their reports and one of 100,000 rows. Fails on any console message, a chart that is missing,
empty or says nothing, a search that does not narrow the table, markup that came alive, a copy or a CSV that is wrong, a serious
finding of axe-core, a page that is wider than a phone, or one that is too slow or too large. Screenshots go to FOLDER.
"""

import csv
import io
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
# Checks of accessibility.
AXE = "axe-core@4.10.3"
LARGEST_PAGE = 10 * 1024 * 1024
# Seconds; usually a tenth of this.
LONGEST_WRITING = 2.0


def kinds(folder):
    """The reports of other kinds of batches, by name, and the titles of the charts that each has."""
    devices = [f"CAM-{number:05}" for number in range(200)]
    manifests = {
        "calm": ["device_id", *devices],
        "burst": ["device_id", *devices[:12]],
        "regions": ["device_id,region", *(f"{device},{('us-west-2', 'eu-central-1')[place % 3 > 0]}" for place, device in enumerate(devices))],
        "one": ["device_id", "CAM-1", "not a name"],
    }
    titles = {"calm": {"Rate"}, "burst": set(), "regions": {"Rate"}, "one": set()}
    reports = {}
    for name, lines in manifests.items():
        manifest = folder / f"{name}.csv"
        manifest.write_text("\n".join(lines) + "\n")
        page = folder / f"{name}.html"
        run = [BINARY, "provision", manifest, "--emulator", "-q", "--report", page]
        done = subprocess.run(run, check=False)
        assert done.returncode == (3 if name == "one" else 0), (name, done.returncode)
        reports[name] = (page, titles[name])
    return reports


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
        context = browser.new_context(offline=True, accept_downloads=True, permissions=["clipboard-read", "clipboard-write"], **options)
        self.page = context.new_page()
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
        # A download is a request for what the page itself has made.
        others = [url for url in self.requests if not url.startswith(("file:", "blob:"))]
        pages = [url for url in self.requests if url.startswith("file:")]
        assert not others and len(pages) == 1, self.requests
        self.page.close()


def charts(page):
    """The titles of the charts."""
    return page.page.locator("figure h3").all_inner_texts()


def check(browser, report):
    page = Page(browser, report)
    assert charts(page) == ["Rate", "Devices done", "Time a device took", "Attempts a device"], charts(page)
    story = page.page.locator(".story").all_inner_texts()
    assert story[0].startswith("400 of 40") or story[0].startswith("401 of 40"), story
    assert any("It took 2 runs" in sentence and "1 was interrupted" in sentence for sentence in story), story
    assert page.page.locator("figure svg text", has_text="quota 100").count() >= 1
    drawn = page.page.locator("figure .wide svg")
    assert drawn.count() == 4, f"{drawn.count()} charts"
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


def check_kind(browser, name, page, titles):
    page = Page(browser, page)
    # The distribution of times is there if two devices took different times.
    found = set(charts(page)) - {"Time a device took", "Devices done"}
    assert found == titles, (name, charts(page))
    for chart in page.page.locator("figure .wide svg").all():
        assert chart.locator("rect, polyline").count() > 2, name
    assert page.page.locator(".places").count() == (1 if name == "regions" else 0), name
    page.end()


def check_copy(browser, report):
    page = Page(browser, report)
    clipboard = lambda: page.page.evaluate("navigator.clipboard.readText()")
    page.search("cam-00123")
    button = page.page.locator("#rows [data-place='0']")
    assert button.get_attribute("aria-label") == "copy ARN of CAM-00123"
    button.focus()
    page.page.keyboard.press("Enter")
    page.page.wait_for_timeout(150)
    assert re.fullmatch(r"arn:aws:kinesisvideo:[a-z0-9-]+:0{12}:channel/CAM-00123/\d+", clipboard()), clipboard()
    assert page.page.locator("#said").inner_text() == "ARN of CAM-00123 copied"
    assert button.inner_text() == "copied"
    # One stop for the tab key; the arrow keys move between rows, also to those that are not drawn yet.
    page.search("")
    assert page.page.locator("#rows [data-place][tabindex='0']").count() == 1
    page.page.locator("#rows [data-place='0']").focus()
    for _ in range(40):
        page.page.keyboard.press("ArrowDown")
    assert page.page.evaluate("document.activeElement.dataset.place") == "40"
    page.page.keyboard.press("End")
    page.page.wait_for_timeout(100)
    last = page.page.evaluate("document.activeElement.dataset.place")
    assert last == str(400 + len(ODD_IDS) - 1), last
    page.page.keyboard.press("Tab")
    assert page.page.evaluate("document.activeElement.closest('#rows') === null"), "the tab key does not leave the table"
    # A row without an ARN is copied as CSV.
    page.search("=hyperlink")
    page.page.locator("#rows [data-place='0']").click()
    page.page.wait_for_timeout(150)
    rows = list(csv.DictReader(io.StringIO(clipboard())))
    assert rows[0]["device_id"] == "'=HYPERLINK(1)" and rows[0]["status"] == "invalid", rows
    page.page.locator("[data-ids='InvalidRow']").click()
    page.page.wait_for_timeout(150)
    assert len(clipboard().split("\n")) == len(ODD_IDS) - 1, clipboard()
    page.page.locator("[data-show='InvalidRow']").click()
    page.page.wait_for_timeout(150)
    assert page.count().startswith(f"{len(ODD_IDS) - 1} of"), page.count()
    page.end()


def check_download(browser, report, folder):
    """The rows of a search as CSV: quoted, no formula in it, and with IDs that can be provisioned again."""
    page = Page(browser, report)
    page.search("us-west-2")
    shown = int(page.count().split()[0])
    with page.page.expect_download() as download:
        page.page.click("#download")
    saved = folder / download.value.suggested_filename
    download.value.save_as(saved)
    assert saved.name.endswith(".us-west-2.rows.csv"), saved.name
    rows = list(csv.DictReader(io.StringIO(saved.read_bytes().decode("utf-8-sig"), newline="")))
    assert len(rows) == shown == 100, (len(rows), shown)
    assert rows[0]["channel_arn"].startswith("arn:aws:kinesisvideo:us-west-2:"), rows[0]
    assert all(row["finished_at"] > row["started_at"] for row in rows)
    again = subprocess.run([BINARY, "provision", saved, "--emulator", "-q"], check=False)
    assert again.returncode == 0, "the saved rows are no manifest"
    page.search("")
    with page.page.expect_download() as download:
        page.page.click("#download")
    download.value.save_as(saved)
    cells = [cell for row in csv.reader(io.StringIO(saved.read_text(encoding="utf-8-sig"), newline="")) for cell in row]
    assert not [cell for cell in cells if re.match(r"[=+@\t\r]|-[^A-Za-z0-9_.-]", cell)], "a cell is a formula"
    page.end()


def check_accessible(browser, reports, folder):
    """No serious or critical finding of axe-core, in both themes, on a wide and a narrow screen."""
    (folder / "package.json").write_text('{"private": true}')
    subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund", AXE], cwd=folder, check=True)
    axe = (folder / "node_modules/axe-core/axe.min.js").read_text()
    for report in reports:
        for scheme, width in (("light", 1280), ("dark", 1280), ("light", 320)):
            page = Page(browser, report, color_scheme=scheme, viewport={"width": width, "height": 900}, bypass_csp=True)
            page.page.evaluate(axe)
            found = page.page.evaluate("axe.run().then((result) => result.violations)")
            serious = [(one["id"], [node["target"] for node in one["nodes"]][:3]) for one in found if one["impact"] in ("serious", "critical")]
            assert not serious, (report.name, scheme, width, serious)
            for one in found:
                print(f"axe-core: {report.name}, {scheme}, {width}: {one['impact']}: {one['id']}")
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
    begun = time.monotonic()
    with page.page.expect_download() as download:
        page.page.click("#download")
    size = pathlib.Path(download.value.path()).stat().st_size
    print(f"100,000 rows as CSV: {time.monotonic() - begun:.2f} s, {size / 1024 / 1024:.1f} MiB")
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
    if SHOTS is not None:
        SHOTS.mkdir(parents=True, exist_ok=True)
    for scheme in ("light", "dark"):
        for width in (1280, 400, 320):
            page = Page(browser, report, color_scheme=scheme, viewport={"width": width, "height": 900})
            sideways = page.page.evaluate("document.documentElement.scrollWidth - innerWidth")
            assert sideways <= 0, f"{report.name}, {width} pixels: the page is {sideways} too wide"
            if SHOTS is not None:
                page.page.screenshot(path=SHOTS / f"{report.stem}-{scheme}-{width}.png", full_page=True)
            page.end()


def main():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="kvs-fleet-report-"))
    try:
        report, large, others = batch(folder), many(folder), kinds(folder)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium") or shutil.which("chromium-browser"), args=["--no-sandbox"]
            )
            check(browser, report)
            check_copy(browser, report)
            check_download(browser, report, folder)
            for name, (page, titles) in others.items():
                check_kind(browser, name, page, titles)
            check_many(browser, large)
            check_print(browser, report)
            pages = [report, *(page for page, _ in others.values())]
            check_accessible(browser, pages, folder)
            for page in pages:
                shots(browser, page)
            print(json.dumps({"browser": browser.version, "report": "sound"}))
            browser.close()
    finally:
        shutil.rmtree(folder)


main()
