"""Processes of kvs-fleet in a scratch folder beside an emulator, and requests to their live pages, for the checks in Python."""

import collections
import contextlib
import csv
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

REGION = "eu-central-1"
WAIT_SECONDS = 30
STARTED = []


def wait_for(condition, seconds=WAIT_SECONDS, every=0.05):
    """The seconds until the condition holds, or None."""
    begun = time.monotonic()
    while time.monotonic() - begun < seconds:
        if condition():
            return time.monotonic() - begun
        time.sleep(every)
    return None


class Process:
    """A process of kvs-fleet. Its messages are kept."""

    def __init__(self, arguments, folder, **variables):
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "KVS_FLEET_"))}
        environment.update(AWS_ACCESS_KEY_ID="000000000000", AWS_SECRET_ACCESS_KEY="none", AWS_EC2_METADATA_DISABLED="true")
        environment.update(variables)
        self.messages = []
        self.printed = []
        self.highest_memory = 0
        self.process = subprocess.Popen(
            [str(argument) for argument in arguments],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        STARTED.append(self.process)
        for stream, lines in ((self.process.stderr, self.messages), (self.process.stdout, self.printed)):
            threading.Thread(target=self._read, args=(stream, lines), daemon=True).start()

    def _read(self, stream, lines):
        for line in stream:
            lines.append(line.rstrip("\n"))

    def find(self, pattern, lines=None):
        """What the pattern finds in the messages, once it does."""
        found = []

        def search():
            text = "\n".join(self.messages if lines is None else lines)
            found[:] = [match[1] for match in re.finditer(pattern, text)]
            return found or self.process.poll() is not None

        wait_for(search, every=0.01)
        if not found:
            search()
        assert found, f"{pattern!r} is not in {self.messages}"
        return found[0]

    def url(self):
        """The URL of the live page."""
        return self.find(r"live page: (http://\S+)/")

    def memory(self):
        """The most memory that it had so far, in MiB."""
        with contextlib.suppress(OSError):
            found = re.search(r"VmHWM:\s+(\d+) kB", pathlib.Path(f"/proc/{self.process.pid}/status").read_text())
            self.highest_memory = int(found[1]) / 1024 if found else self.highest_memory
        return self.highest_memory

    def wait(self, seconds=180):
        """Its exit code."""
        return self.process.wait(timeout=seconds)

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout=10)
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


class Bench:
    """A folder with an emulator."""

    def __init__(self, binary, *emulator):
        self.binary = binary
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="kvs-fleet-live-"))
        command = [binary, "emulator", "--listen", "127.0.0.1:0", "--seed", "7", *emulator]
        self.emulator = Process(command, self.path)
        self.endpoint = self.emulator.find(r"(http://\S+)", self.emulator.printed)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.emulator.stop()
        shutil.rmtree(self.path)

    def manifest(self, devices, odd=(), name="devices.csv"):
        with (self.path / name).open("w", newline="", encoding="utf-8") as file:
            rows = csv.writer(file)
            rows.writerow(["device_id"])
            rows.writerows([f"CAM-{number:06}"] for number in range(devices))
            rows.writerows([text] for text in odd)
        return name

    def provision(
        self, *arguments, address="127.0.0.1:0", manifest="devices.csv", command="provision", region=REGION, **variables
    ):
        serve = ["--serve", address] if address else []
        connection = ["--endpoint-url", self.endpoint, "--region", region]
        return Process([self.binary, command, manifest, *connection, *serve, *arguments], self.path, **variables)

    def json(self, name):
        return json.loads((self.path / name).read_text())

    def statuses(self, name="devices.results.csv"):
        with (self.path / name).open(newline="", encoding="utf-8") as file:
            return collections.Counter(row["status"] for row in csv.DictReader(file))


def get(url, path, method="GET", headers=None, timeout=WAIT_SECONDS):
    """Status, headers and text of an answer."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=timeout)
    try:
        connection.request(method, path, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read().decode()
    finally:
        connection.close()


def status_of(url):
    return json.loads(get(url, "/status.json")[2])


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def is_served(url):
    """Whether a live page answers there."""
    try:
        return get(url, "/status.json", timeout=2)[0] == 200
    except (OSError, http.client.HTTPException):
        return False


def start(command, **options):
    """Starts another program, which ends with this one at the latest."""
    process = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, **options)
    STARTED.append(process)
    return process


@contextlib.contextmanager
def redis_server():
    """A Redis server; its URL."""
    port = free_port()
    command = ["redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    server = start(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield f"redis://127.0.0.1:{port}"
    finally:
        end(server)


def end(process):
    """Ends a process by a signal, or at last by SIGKILL."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def no_process_left():
    """Ends all processes that were started and still run, also when this one is ended by a signal."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        yield
    finally:
        for process in STARTED:
            end(process)
