"""The pictures of the documentation: `.ci/pictures.py BINARY [FOLDER] [--short]`, with playwright and pillow installed and
Chromium on the PATH.

Provisions a batch against the emulator in two runs, with a pause, throttles and failures, and writes two pictures to FOLDER
(default: samples): `live.png`, the top of the second run's live page, and `report.png`, the top of the report. `--short` leaves
out the pause, to check that the pictures can be made.
"""

import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from PIL import Image
from playwright.sync_api import sync_playwright

ROOT = pathlib.Path(__file__).resolve().parent.parent
ARGUMENTS = [argument for argument in sys.argv[1:] if argument != "--short"]
SHORT = "--short" in sys.argv
BINARY = pathlib.Path(ARGUMENTS[0]).resolve()
FOLDER = pathlib.Path(ARGUMENTS[1]).resolve() if len(ARGUMENTS) > 1 else ROOT / "samples"
DEVICES = 400 if SHORT else 1_000
# Seconds. A pause of more than a minute is one in the report.
FIRST_RUN = 3 if SHORT else 9
SECOND_RUN = 3 if SHORT else 11
PAUSE = 0 if SHORT else 72
WIDTH = 1_000


def batch(folder, browser):
    """Provisions the batch in two runs, takes a picture of the second one's page, and returns the report."""
    manifest = folder / "shift-7.csv"
    lines = ["device_id", *(f"CAM-{number:05}" for number in range(1, DEVICES)), "CAM 01000"]
    manifest.write_text("\n".join(lines) + "\n")
    emulator = subprocess.Popen(
        [BINARY, "emulator", "--listen", "127.0.0.1:0", "--rate", "37", "--fault", "503=1%@create"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        url = re.search(r"http://\S+", emulator.stdout.readline()).group()
        # Relative, so that the page does not name this computer's folders.
        run = [BINARY, "provision", manifest.name, "--endpoint-url", url, "--region", "eu-central-1", "--max-attempts", "1"]
        first = subprocess.Popen([*run, "-q"], cwd=folder)
        time.sleep(FIRST_RUN)
        first.send_signal(signal.SIGINT)
        assert first.wait() == 130, "the first run was not interrupted"
        time.sleep(PAUSE)
        serve = ["--report", "report.html", "--serve", "127.0.0.1:0"]
        second = subprocess.Popen([*run, *serve], cwd=folder, stderr=subprocess.PIPE, text=True)
        lines = iter(second.stderr.readline, "")
        live = next(found.group(1) for line in lines if (found := re.search(r"live page: (\S+)", line)))
        time.sleep(SECOND_RUN)
        picture(browser, live, FOLDER / "live.png", "#rate")
        second.communicate()
        assert second.returncode == 3, second.returncode
    finally:
        emulator.terminate()
        emulator.wait()
    return folder / "report.html"


def picture(browser, url, file, last):
    """A page from its head to the end of this element."""
    page = browser.new_page(viewport={"width": WIDTH, "height": 900}, color_scheme="light")
    page.goto(url)
    # The rate of a live page needs a moment.
    page.wait_for_selector(f"{last} svg", state="attached")
    box = page.locator(last).bounding_box()
    clip = {"x": 0, "y": 0, "width": WIDTH, "height": round(box["y"] + box["height"] + 16)}
    page.screenshot(path=file, full_page=True, clip=clip)
    page.close()
    # A quarter of the size, and no visible difference.
    Image.open(file).convert("RGB").quantize(256).save(file, optimize=True)
    print(f"{file.name}: {file.stat().st_size // 1024} KiB")


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="kvs-fleet-pictures-"))
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium") or shutil.which("chromium-browser"), args=["--no-sandbox"]
            )
            report = batch(folder, browser)
            picture(browser, report.as_uri(), FOLDER / "report.png", ".charts")
            browser.close()
    finally:
        shutil.rmtree(folder)


main()
