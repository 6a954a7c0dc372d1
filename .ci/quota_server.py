#!/usr/bin/env python3
"""Checks `--quota-server` with real processes: what is refused, what happens when the server fails, and how fast it is.

    python .ci/quota_server.py target/release/kvs-fleet [--server PATH]... [--short] [--table]
        [--parts LETTERS] [--only TEXT] [--repeat N]

Needs redis-server or valkey-server (`--server`, repeatable, else those in PATH) and openssl. Emulator, servers and
hosts (processes of kvs-fleet) run on loopback, on free ports; all of them are ended by their process IDs, after a
failure as well.

- A, refusals: each must end with exit code 2 before the first create, with a message that says what to do, and without
  the password in anything that is written. Also finds the commands that a user needs on the server, and prints the
  rule. A server that is built without TLS is asked through a proxy with TLS.
- B, failures while hosts work: each device must get exactly one channel, and hosts must join again. Every grant is 50
  creates a second. The goal: at least 95 % of it in any 5 s that begin 5 s or more after the end of a failure, and in
  which all hosts create.
- C, pace, each with and without a quota server. Without, it runs only once, before the first server.

`--short` has fewer hosts and shorter batches, and runs five failures at the same time: less than 4 minutes for two
servers. In full, B and C take 8 minutes each for each server, and C 6 minutes more for what runs without. `--table`
prints tables as Markdown. `--parts` runs some parts only, such as AC; `--only` what has TEXT in its name. `--repeat`
repeats each scenario of C, and prints the worst and the median of each figure.

Figures are printed with their goal and `ok` or `MISS`. A MISS does not fail, because shared computers are noisy. With
`--short`, which is made for them, only very loose bounds fail:

- B: less than 40 % of the grant in any 5 s that begin 5 s or more after the end of a failure and in which all hosts
  create; more than 25 % of creates throttled.
- C: a makespan of more than 1.5 times the ideal + 3 s, more than 5 % of creates throttled, more than 3 calls a request.

Exit code 0 when all checks passed, else 1.
"""

import argparse
import concurrent.futures
import csv
import datetime
import json
import os
import pathlib
import queue
import random
import re
import shutil
import signal
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

from checks import Checks

REGION = "eu-central-1"
GRANT = 50  # Creates a second: the default of the emulator and of kvs-fleet.
PASSWORD = "hunter2-Qx7"
PASSWORD_VARIABLE = "KVS_FLEET_QUOTA_SERVER_PASSWORD"
WINDOW = 5  # Seconds over which a rate is measured, and in which hosts must have recovered.
FAIRNESS_WINDOW = 10
# The hosts of a failure, the devices of each, seconds from their start to the failure, and seconds that it lasts.
FULL_FAILURES = (16, 100, 8, 5)
SHORT_FAILURES = (8, 100, 2.5, 2)
WAIT_SECONDS = 20
# What the program can need of the server; which of these it does need is found out.
CANDIDATE_COMMANDS = (
    "evalsha", "eval", "script|load", "hmget", "hset", "del", "time", "zadd", "zcard", "zscore", "zrange",
    "zremrangebyscore", "expire", "ping", "hello", "select", "client|setinfo", "client|setname", "info", "command",
)
TLS_PORT_MISSING = "Missing implement of connection type tls"

# Processes

STARTED = []
STARTING = threading.Lock()
is_over = threading.Event()


def start(command, **options):
    """Starts a process that ends with this one at the latest."""
    with STARTING:
        if is_over.is_set():
            raise RuntimeError("the checks are over")
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, **options)
        STARTED.append(process)
        return process


def end_all():
    """Ends all that was started. Nothing starts after that, whatever other threads are doing."""
    with STARTING:
        is_over.set()
    for process in STARTED:
        end(process)


def end(process):
    """Ends a process, a stopped one as well. Does nothing to one that has ended: its ID may be another's."""
    if process.poll() is None:
        process.kill()
        process.wait()


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def environment(**more):
    """Without credentials, configuration or proxy of this machine."""
    kept = {
        name: value for name, value in os.environ.items()
        if not name.startswith(("AWS_", "KVS_FLEET_")) and not name.lower().endswith("_proxy")
    }
    aws = {
        "AWS_ACCESS_KEY_ID": "EMULATOR",
        "AWS_SECRET_ACCESS_KEY": "not-a-secret",
        "AWS_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }
    return {**kept, **aws, **more}


class Emulator:
    """`kvs-fleet emulator` on a free port."""

    def __init__(self, binary, *flags):
        command = [binary, "emulator", "--listen", "127.0.0.1:0", *flags]
        self.process = start(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment(), text=True)
        self.url = self.process.stdout.readline().strip()

    def channels(self):
        """The names of all channels. The emulator wants a signature, and does not check it."""
        scope = f"EMULATOR/20260101/{REGION}/kinesisvideo/aws4_request"
        headers = {
            "Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0",
            "Content-Type": "application/json",
        }
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        names, token = [], None
        while True:
            body = json.dumps({"MaxResults": 10_000, **({"NextToken": token} if token else {})}).encode()
            request = urllib.request.Request(f"{self.url}/listSignalingChannels", body, headers)
            with opener.open(request, timeout=WAIT_SECONDS) as answer:
                page = json.load(answer)
            names += [channel["ChannelName"] for channel in page["ChannelInfoList"]]
            token = page.get("NextToken")
            if not token:
                return names

    def end(self):
        end(self.process)


class Server:
    """A Redis or Valkey server without persistence."""

    def __init__(self, program, folder, *flags):
        self.program = program
        self.folder = folder
        self.flags = flags
        self.port = free_port()
        self.password = None
        self.process = None
        self.past_calls = 0

    @property
    def url(self):
        return f"redis://127.0.0.1:{self.port}"

    def start(self):
        command = [
            self.program, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
            "--dir", str(self.folder), "--enable-debug-command", "yes", *self.flags,
        ]
        self.log = self.folder / f"server-{self.port}.log"
        with open(self.log, "a") as log:
            self.process = start(command, stdout=log, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                self.ask("PING")
                return self
            except OSError:
                time.sleep(0.02)
        raise RuntimeError(f"{self.program} does not start: {self.log.read_text()[-300:]}")

    def ask(self, *words):
        """The server's answer; a string that begins with '-' is an error."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=WAIT_SECONDS) as connection:
            stream = connection.makefile("rb")
            if self.password and words != ("PING",):
                connection.sendall(resp("AUTH", self.password))
                read_resp(stream)
            connection.sendall(resp(*words))
            return read_resp(stream)

    def calls(self):
        """How often hosts have called it, over its restarts."""
        counted = re.search(r"cmdstat_evalsha:calls=(\d+)", str(self.ask("INFO", "commandstats")))
        return self.past_calls + (int(counted[1]) if counted else 0)

    def kill(self):
        self.past_calls = self.calls()
        self.end()

    def stop(self, seconds):
        """Stops the process for a while: connections stay open and are not answered."""
        self.process.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        self.process.send_signal(signal.SIGCONT)

    def end(self):
        if self.process:
            end(self.process)


def resp(*words):
    words = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


def read_resp(stream):
    line = stream.readline()
    if not line.endswith(b"\r\n"):
        raise ConnectionError("the server closed the connection")
    kind, rest = line[:1], line[1:-2].decode(errors="replace")
    if kind == b"$":
        return None if rest == "-1" else stream.read(int(rest) + 2)[:-2].decode(errors="replace")
    if kind == b"*":
        return [read_resp(stream) for _ in range(int(rest))]
    return "-" + rest if kind == b"-" else rest


# Between the hosts and the server


class Proxy:
    """Passes connections on to a server: as they are, by TLS, delayed, or with absurd answers instead of its own."""

    def __init__(self, port, certificate=None):
        self.server_port = port
        self.mode = "pass"
        self.connections = 0
        self.silent = 0  # So many connections, the oldest, pass nothing on any more, and stay open.
        self.context = None
        if certificate:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(*certificate)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self._thread(self._accept)

    @staticmethod
    def _thread(work, *arguments):
        threading.Thread(target=work, args=arguments, daemon=True).start()

    def _accept(self):
        while True:
            try:
                host, _ = self.listener.accept()
            except OSError:
                return
            self._thread(self._serve, host)

    def _serve(self, host):
        try:
            if self.context:
                host.settimeout(WAIT_SECONDS)
                host = self.context.wrap_socket(host, server_side=True)
                host.settimeout(None)
            server = socket.create_connection(("127.0.0.1", self.server_port))
        except OSError:
            host.close()
            return
        self.connections += 1
        number = self.connections
        answers = queue.Queue()
        self._thread(self._requests, number, host, server)
        self._thread(self._answers, server, answers)
        self._thread(self._deliver, answers, host, server)

    def _requests(self, number, host, server):
        try:
            while data := host.recv(65_536):
                if number <= self.silent:
                    continue
                if self.mode == "absurd":
                    host.sendall(absurd())
                else:
                    server.sendall(data)
        except OSError:
            pass
        close(host, server)

    def _answers(self, server, answers):
        try:
            while data := server.recv(65_536):
                answers.put((time.monotonic() + (1.5 if self.mode == "delay" else 0), data))
        except OSError:
            pass
        answers.put((0, b""))

    def _deliver(self, answers, host, server):
        while True:
            due, data = answers.get()
            time.sleep(max(0, due - time.monotonic()))
            try:
                if not data:
                    break
                host.sendall(data)
            except OSError:
                break
        close(host, server)

    def end(self):
        # Only shutdown wakes a thread that waits in accept.
        close(self.listener)


def close(*sockets):
    for each in sockets:
        try:
            each.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        each.close()


def absurd():
    """An answer that no server gives: no RESP, RESP of the wrong type, or of impossible numbers."""
    def slots(history=b"1.000001", now=b"1", wait=b"0", count=b"1", rate=b"50", hosts=b"1", cut=b"", more=()):
        return resp(history, now, wait, count, rate, hosts, cut, *more)

    return random.choice([
        os.urandom(random.randrange(1, 200)),
        os.urandom(100_000),
        b"+OK\r\n",
        b"$-1\r\n",
        b"*-1\r\n",
        b"*-7\r\n",
        b":170141183460469231731687303715884105727\r\n",
        b"$9223372036854775807\r\n",
        b"*2147483647\r\n",
        b"*1\r\n" * 20_000,
        b"%2147483647\r\n+a\r\n",
        b"-\r\n",
        b"-ERR \xff\xfe\x00\r\n",
        b"-NOSCRIPT No matching script.\r\n",
        b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n",
        b"*7\r\n" + b":1\r\n" * 7,
        b"*7\r\n" + b"*0\r\n" * 7,
        slots(history=b"99999999999999999999.000001"),
        slots(history=b"1.99999999999"),
        slots(now=b"1e308"),
        slots(now=b"-1"),
        slots(wait=b"nan"),
        slots(wait=b"inf"),
        slots(wait=b"1e300"),
        slots(count=b"4294967295"),
        slots(count=b"-1"),
        slots(count=b"0"),
        slots(rate=b"1e300"),
        slots(rate=b"0"),
        slots(rate=b"-50"),
        slots(hosts=b"0"),
        slots(hosts=b"4294967296"),
        slots(cut=b"nan"),
        slots(more=[b"18446744073709551616", b"x", b"x"]),
        slots(more=[b"1", b"1e999," * 5_000, b"1,2,3;" * 5_000]),
    ])


# Runs


class Host:
    """One process of `kvs-fleet provision` with its own devices."""

    def __init__(self, binary, folder, name, devices, url, flags):
        self.name = name
        self.folder = folder
        self.devices = [f"{name}-{index:05}" for index in range(devices)]
        manifest = folder / f"{name}.csv"
        manifest.write_text("\n".join(["device_id", *self.devices, ""]))
        self.command = [
            binary, "provision", str(manifest), "--endpoint-url", url, "--summary-json", str(folder / f"{name}.json"),
            "--progress", "none", *flags,
        ]

    def start(self):
        with open(self.folder / f"{self.name}.err", "a") as errors:
            self.process = start(self.command, env=environment(), stdout=subprocess.DEVNULL, stderr=errors)

    def summary(self):
        """Nothing if it was ended too early to write one."""
        summary = self.folder / f"{self.name}.json"
        return json.loads(summary.read_text()) if summary.exists() else {}

    def creates(self):
        """How many creates were sent, and how many of them throttled."""
        create = self.summary().get("requests", {}).get("create", {})
        return create.get("sent", 0), create.get("throttled", 0)

    def has_joined(self):
        """Whether the quota server answered it at its end."""
        return self.summary().get("quota_server", {}).get("joined")

    def rows(self):
        results = self.folder / f"{self.name}.results.csv"
        return list(csv.DictReader(results.read_text().splitlines())) if results.exists() else []


class Run:
    """What hosts did together. `event` is called with this run after a while, and returns when what it did is over."""

    def __init__(self, binary, folder, sizes, quota_server=None, server=None, flags=(), event=None, event_after=0):
        self.sizes = sizes
        self.lone = []  # Hosts that may end late, or leave an answer unread: they were stopped or killed.
        emulator = Emulator(binary)
        calls = server.calls() if server else 0
        if quota_server:
            flags = [*flags, "--quota-server", quota_server]
        self.hosts = [
            Host(binary, folder, f"h{index:02}", devices, emulator.url, flags) for index, devices in enumerate(sizes)
        ]
        deadline = time.monotonic() + 3 * sum(sizes) / GRANT + 60
        self.began = self.ended = None
        for host in self.hosts:
            host.start()
        if event:
            time.sleep(event_after)
            self.began = time.time()
            event(self)
            self.ended = time.time()
        self.codes = [self._code(host, deadline) for host in self.hosts]
        self.channels = emulator.channels()
        emulator.end()
        self.calls = server.calls() - calls if server and server.process.poll() is None else None
        self._read()

    @staticmethod
    def _code(host, deadline):
        try:
            return host.process.wait(timeout=max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            end(host.process)
            return "did not end"

    def _read(self):
        self.sent = self.throttled = 0
        self.created = []
        self.statuses = []
        for host in self.hosts:
            sent, throttled = host.creates()
            self.sent += sent
            self.throttled += throttled
            rows = host.rows()
            self.statuses.append({row["device_id"]: row["status"] for row in rows})
            finished = [row["finished_at"] for row in rows if row["status"] == "created"]
            self.created.append(sorted(datetime.datetime.fromisoformat(at).timestamp() for at in finished))
        self.all_created = sorted(at for host in self.created for at in host)

    def correctness(self):
        """What is wrong, or nothing. A host that was killed may have lost an answer, and finds its channel."""
        wrong = []
        if set(self.codes) != {0}:
            wrong.append(f"exit codes {self.codes}")
        devices = [device for host in self.hosts for device in host.devices]
        if sorted(self.channels) != devices:
            wrong.append(f"{len(devices)} devices, {len(self.channels)} channels, {len(set(self.channels))} names")
        for host, statuses in zip(self.hosts, self.statuses):
            allowed = {"created", "exists"} if host in self.lone else {"created"}
            if sorted(statuses) != host.devices or not set(statuses.values()) <= allowed:
                wrong.append(f"results of {host.name}: {len(statuses)} rows, {set(statuses.values())}")
        if not self.lone and self.sent - self.throttled != len(devices):
            wrong.append(f"{self.sent} creates sent, {self.throttled} throttled, {len(devices)} devices")
        return "; ".join(wrong)

    def left_alone(self):
        """The hosts that had time to join again after the event, and did not."""
        since = (self.ended or self.all_created[0]) + WINDOW
        late = [host for host, created in zip(self.hosts, self.created) if created and created[-1] >= since]
        return [host.name for host in late if not host.has_joined()]

    @property
    def ideal(self):
        return sum(self.sizes) / GRANT

    @property
    def makespan(self):
        return self.all_created[-1] - self.all_created[0] if self.all_created else 0

    @property
    def throttled_share(self):
        return self.throttled / max(1, self.sent)

    @property
    def calls_a_request(self):
        return self.calls / max(1, self.sent) if self.calls is not None else None

    def busy(self):
        """From when to when all hosts create, but those that were stopped or killed."""
        steady = [created or [0] for host, created in zip(self.hosts, self.created) if host not in self.lone]
        return max(created[0] for created in steady), min(created[-1] for created in steady)

    def steady_share(self):
        """Creates a second of all hosts while all create, without the first 2 s, as a share of the grant."""
        begin, until = self.busy()
        begin += 2
        return count(self.all_created, begin, until) / (until - begin) / GRANT if begin < until else 0

    def window_shares(self, after):
        """Creates a second in each window after this moment in which all hosts create, as shares of the grant."""
        begin, until = self.busy()
        begin = max(begin, after)
        steps = range(max(0, int((until - WINDOW - begin) / 0.1) + 1))
        windows = [begin + step * 0.1 for step in steps]
        return [count(self.all_created, at, at + WINDOW) / WINDOW / GRANT for at in windows]

    def fairness(self):
        """The least of Jain's index in any 10 s in which all hosts create."""
        begin, until = self.busy()
        least = None
        for step in range(max(0, int((until - FAIRNESS_WINDOW - begin) / 0.5) + 1)):
            at = begin + step * 0.5
            counts = [count(created, at, at + FAIRNESS_WINDOW) for created in self.created]
            index = sum(counts) ** 2 / (len(counts) * max(1, sum(each ** 2 for each in counts)))
            least = index if least is None else min(least, index)
        return least


def count(moments, begin, until):
    return sum(begin <= moment < until for moment in moments)


# A: refusals


class Refusals:
    """Runs one host at a time, and looks at everything that it writes."""

    def __init__(self, checks, options, program, folder):
        self.checks = checks
        self.only = options.only
        self.binary = options.binary
        self.program = program
        self.name = pathlib.Path(program).name
        self.folder = folder
        self.untouched = Emulator(options.binary)
        self.emulator = Emulator(options.binary)
        self.cases = 0
        self.created = 0
        self.leaks = []

    def is_wanted(self, name):
        return not self.only or self.only in name

    def provision(self, emulator, flags, password=None, devices=3):
        """Exit code, standard error, and the folder."""
        self.cases += 1
        folder = self.folder / f"case-{self.cases}"
        folder.mkdir()
        names = [f"case-{self.cases}-{index:04}" for index in range(devices)]
        (folder / "devices.csv").write_text("\n".join(["device_id", *names, ""]))
        secret = {} if password is None else {PASSWORD_VARIABLE: password}
        command = [
            self.binary, "provision", "devices.csv", "--endpoint-url", emulator.url, "--progress", "none", "-vv",
            "--summary-json", "summary.json", *flags,
        ]
        with open(folder / "stdout", "w") as out, open(folder / "stderr", "w") as errors:
            process = start(command, cwd=folder, env=environment(**secret), stdout=out, stderr=errors)
            try:
                code = process.wait(timeout=60)
            except subprocess.TimeoutExpired:
                end(process)
                code = "did not end"
        return code, (folder / "stderr").read_text(), folder

    def look_for_password(self, name, folder):
        for path in folder.iterdir():
            if PASSWORD.encode() in path.read_bytes():
                self.leaks.append(f"{name}: {path.name}")

    def refused(self, name, flags, says, password=None):
        """Exit code 2, no create, and a message with all of these words."""
        if not self.is_wanted(name):
            return
        code, errors, folder = self.provision(self.untouched, flags, password)
        self.look_for_password(name, folder)
        lines = [line for line in errors.splitlines() if line.startswith(("error: ", "warning: the quota server"))]
        error = lines[0] if lines else errors.strip()[-300:]
        created = len(self.untouched.channels()) - self.created
        self.created += created
        files = sorted(path.name for path in folder.glob("*.results.*"))
        found = (code, created, files, [word for word in says if word not in error])
        self.checks.check(f"{self.name}: {name}: refused", found, (2, 0, [], []))
        print(f"      {error}", flush=True)

    def accepted(self, name, flags, password=None, devices=3):
        """Exit code 0, and the server was used."""
        if not self.is_wanted(name):
            return
        code, errors, folder = self.provision(self.emulator, flags, password, devices)
        self.look_for_password(name, folder)
        warned = [line for line in errors.splitlines() if line.startswith("warning: ") and "NOT AWS" not in line]
        found = (code, "shares the quota with other hosts" in errors, warned)
        self.checks.check(f"{self.name}: {name}: accepted", found, (0, True, []))

    def no_password_was_written(self):
        self.checks.check(f"{self.name}: the password is in no output and no file", self.leaks, [])


def make_certificates(folder):
    """A certificate authority, and pairs of certificate and key for 127.0.0.1 and for another host."""
    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True, timeout=WAIT_SECONDS)

    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    authority = ["-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign"]
    for name in ("ca", "ca2"):
        pair = ["-keyout", f"{name}.key", "-out", f"{name}.pem"]
        openssl("req", "-x509", *key, *pair, "-days", "2", "-subj", f"/CN={name}", *authority)
    for name, hosts in {"here": "IP:127.0.0.1,DNS:localhost", "elsewhere": "DNS:quota.example"}.items():
        (folder / f"{name}.ext").write_text(f"subjectAltName={hosts}\nbasicConstraints=CA:FALSE\n")
        openssl("req", *key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-out",
                f"{name}.pem", "-days", "2", "-extfile", f"{name}.ext")


def tls_server(program, folder, name, plain):
    """A port with TLS and this certificate: of a server, or, if it is built without TLS, of a proxy before `plain`."""
    pair = (str(folder / f"{name}.pem"), str(folder / f"{name}.key"))
    port = free_port()
    flags = ["--tls-port", port, "--tls-cert-file", pair[0], "--tls-key-file", pair[1], "--tls-auth-clients", "no"]
    server = Server(program, folder, *map(str, flags))
    try:
        server.start()
        return server, port
    except RuntimeError as error:
        if TLS_PORT_MISSING not in str(error):
            raise
        proxy = Proxy(plain.port, pair)
        return proxy, proxy.port


def check_urls(refusals, folder):
    """What is wrong without asking any server."""
    def refused(name, flags, *says, password=None):
        refusals.refused(name, flags, says, password)

    for url in ("", "garbage", "quota.example:6379", "http://127.0.0.1:6379", "redis://", "redis://127.0.0.1:99999",
                "redis://127.0.0.1:6379?db=1", "unix:///run/redis"):
        refused(f"the URL {url!r}", ["--quota-server", url], "--quota-server", "redis://HOST:PORT")
    refused("a database that is no number", ["--quota-server", "redis://127.0.0.1/x"], "--quota-server", "database")
    for url in ("redis://:{}@127.0.0.1", "rediss://kvs:{}@quota.example:6380", "redis://127.0.0.1/{}", "redis:{}"):
        refused(f"a password in the URL {url}", ["--quota-server", url.format(PASSWORD)], "--quota-server")
    for host in ("192.0.2.1:6379", "quota.example"):
        flags = ["--quota-server", f"redis://{host}"]
        refused(f"a password to {host} without TLS", flags, "--quota-server", "rediss://", PASSWORD_VARIABLE,
                password=PASSWORD)
    (folder / "garbage.pem").write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    (folder / "empty.pem").write_text("")
    for file in ("missing.pem", "garbage.pem", "empty.pem", "ca.key"):
        flags = ["--quota-server", "rediss://127.0.0.1:1", "--quota-server-ca", str(folder / file)]
        refused(f"--quota-server-ca {file}", flags, "--quota-server-ca", file)
    authority = ["--quota-server-ca", str(folder / "ca.pem")]
    refused("--quota-server-ca without --quota-server", authority, "--quota-server-ca", "--quota-server")
    refused("--quota-server-ca without TLS", ["--quota-server", "redis://127.0.0.1:1", *authority], "--quota-server-ca",
            "rediss://")


def check_passwords(refusals, program, folder):
    server = Server(program, folder, "--requirepass", PASSWORD + "-right")
    server.password = PASSWORD + "-right"
    server.start()
    flags = ["--quota-server", server.url]
    refusals.refused("a wrong password", flags, [server.url, PASSWORD_VARIABLE], PASSWORD)
    refusals.refused("no password", flags, [server.url, PASSWORD_VARIABLE])
    refusals.accepted("the right password", flags, server.password)
    server.end()
    open_server = Server(program, folder).start()
    flags = ["--quota-server", open_server.url]
    refusals.refused("a password for a server without one", flags, [open_server.url, PASSWORD_VARIABLE], PASSWORD)
    # Going on as the default user would have other permissions than those that were asked for.
    with_user = f"redis://nobody@127.0.0.1:{open_server.port}"
    refusals.refused("a user without a password", ["--quota-server", with_user], ["--quota-server", PASSWORD_VARIABLE])
    open_server.end()


def check_permissions(refusals, program, folder):
    """Permissions that are too few; finds those that are enough, and uses them by TLS."""
    server = Server(program, folder).start()
    user = f"redis://fleet@127.0.0.1:{server.port}"

    def allow(*rules):
        answer = server.ask("ACL", "SETUSER", "fleet", "reset", "on", f">{PASSWORD}", *rules)
        assert answer == "OK", answer

    for name, rules in {
        "a user without EVALSHA": ["~kvs-fleet:*", "+@all", "-evalsha"],
        "a user without SCRIPT LOAD": ["~kvs-fleet:*", "+@all", "-script"],
        "a user without HSET": ["~kvs-fleet:*", "+@all", "-hset"],
        "a user without permission for the keys": ["~other:*", "+@all"],
        "a user with permission to read the keys only": ["%R~kvs-fleet:*", "+@all"],
        "a user without any permission": [],
    }.items():
        allow(*rules)
        # The script must not be there already.
        server.ask("SCRIPT", "FLUSH")
        refusals.refused(name, ["--quota-server", user], [server.url, "it refuses what a run needs"], PASSWORD)
    server.ask("ACL", "SETUSER", "fleet", "off")
    refusals.refused("a user that is off", ["--quota-server", user], [server.url, PASSWORD_VARIABLE], PASSWORD)

    # Older servers do not know all of them.
    known = [name for name in CANDIDATE_COMMANDS if server.ask("ACL", "SETUSER", "other", f"+{name}") == "OK"]
    needed = [f"+{command}" for command in known]
    for command in known:
        fewer = [rule for rule in needed if rule != f"+{command}"]
        allow("~kvs-fleet:*", *fewer)
        server.ask("FLUSHALL")
        server.ask("SCRIPT", "FLUSH")
        code, errors, folder_of_case = refusals.provision(refusals.emulator, ["--quota-server", user], PASSWORD)
        refusals.look_for_password(f"without {command}", folder_of_case)
        if code == 0 and "warning: the quota server" not in errors:
            needed = fewer
    rule = " ".join(["~kvs-fleet:*", *needed])
    print(f"      {refusals.name}: least permissions: {rule}", flush=True)
    allow("~kvs-fleet:*", *needed)
    server.ask("FLUSHALL")
    server.ask("SCRIPT", "FLUSH")
    server.ask("ACL", "LOG", "RESET")
    refusals.accepted("a user with the least permissions", ["--quota-server", user], PASSWORD, devices=60)
    denied = sorted({entry[entry.index("object") + 1] for entry in server.ask("ACL", "LOG") if "fleet" in entry})
    print(f"      {refusals.name}: denied without effect: {', '.join(denied) or 'nothing'}", flush=True)
    database = ["--quota-server", f"{user}/1"]
    refusals.refused("another database without SELECT", database, [server.url, "select"], PASSWORD)
    allow("~kvs-fleet:*", *needed, "+select")
    refusals.accepted("another database with SELECT", database, PASSWORD)
    refusals.refused("a database that the server has not", ["--quota-server", f"{user}/99"], [server.url], PASSWORD)

    tls, port = tls_server(program, folder, "here", server)
    if isinstance(tls, Server):
        tls.ask("ACL", "SETUSER", "fleet", "reset", "on", f">{PASSWORD}", "~kvs-fleet:*", *needed)
    flags = ["--quota-server", f"rediss://fleet@127.0.0.1:{port}", "--quota-server-ca", str(folder / "ca.pem")]
    refusals.accepted("a user with the least permissions, by TLS", flags, PASSWORD)
    tls.end()
    server.end()
    return rule


def check_tls(refusals, program, folder):
    plain = Server(program, folder).start()
    server, port = tls_server(program, folder, "here", plain)
    url = f"rediss://127.0.0.1:{port}"
    authority = ["--quota-server-ca", str(folder / "ca.pem")]
    other = ["--quota-server-ca", str(folder / "ca2.pem")]
    refusals.refused("a certificate of an unknown authority", ["--quota-server", url], [url, "--quota-server-ca"])
    refusals.refused("a certificate of another authority", ["--quota-server", url, *other], [url, "--quota-server-ca"])
    refusals.accepted("a certificate of the authority", ["--quota-server", url, *authority])
    name = f"rediss://localhost:{port}"
    refusals.accepted("a certificate of the authority, by name", ["--quota-server", name, *authority])
    refusals.refused("redis:// to a port with TLS", ["--quota-server", f"redis://127.0.0.1:{port}"],
                     [f"redis://127.0.0.1:{port}", "rediss://"])
    refusals.refused("redis:// and a password to a port with TLS", ["--quota-server", f"redis://127.0.0.1:{port}"],
                     [f"redis://127.0.0.1:{port}", "rediss://"], PASSWORD)
    to_plain = ["--quota-server", f"rediss://127.0.0.1:{plain.port}", *authority]
    refusals.refused("rediss:// to a port without TLS", to_plain, [f"rediss://127.0.0.1:{plain.port}", "redis://"])
    server.end()
    server, port = tls_server(program, folder, "elsewhere", plain)
    url = f"rediss://127.0.0.1:{port}"
    says = [url, "certificate", "quota.example"]
    refusals.refused("a certificate of another host", ["--quota-server", url, *authority], says)
    server.end()
    plain.end()


def check_late_server(refusals, program, folder):
    """A server that is down when the host starts is no reason not to begin."""
    name = "a server that starts 5 s later"
    if not refusals.is_wanted(name):
        return
    server = Server(program, folder)
    timer = threading.Timer(5, server.start)
    timer.start()
    code, errors, folder_of_case = refusals.provision(refusals.emulator, ["--quota-server", server.url], devices=500)
    timer.join()
    warned = f"warning: the quota server {server.url} cannot be used at present" in errors
    joined = f"the quota server {server.url} answers" in errors
    found = (code, warned, joined, server.calls() > 0)
    refusals.checks.check(f"{refusals.name}: {name}: exit code, warned, joined, called", found, (0, True, True, True))
    server.end()


def check_refusals(checks, options, program, folder):
    """Part A. Returns the least permissions."""
    make_certificates(folder)
    refusals = Refusals(checks, options, program, folder)
    check_urls(refusals, folder)
    check_passwords(refusals, program, folder)
    rule = check_permissions(refusals, program, folder)
    check_tls(refusals, program, folder)
    check_late_server(refusals, program, folder)
    refusals.no_password_was_written()
    refusals.untouched.end()
    refusals.emulator.end()
    return rule


# B: failures


def restart_empty(run, server, proxy, seconds):
    server.kill()
    time.sleep(seconds + 1)
    server.start()


def hang(run, server, proxy, seconds):
    server.stop(seconds)


def flush(run, server, proxy, seconds):
    server.ask("FLUSHALL")


def flush_scripts(run, server, proxy, seconds):
    server.ask("SCRIPT", "FLUSH")


def stop_host(run, server, proxy, seconds):
    run.lone = [run.hosts[-1]]
    process = run.hosts[-1].process
    process.send_signal(signal.SIGSTOP)
    time.sleep(seconds)
    process.send_signal(signal.SIGCONT)


def kill_host(run, server, proxy, seconds):
    """The host is started again, as a scheduler does."""
    run.lone = [run.hosts[-1]]
    end(run.hosts[-1].process)
    time.sleep(seconds)
    run.hosts[-1].start()


def replica(run, server, proxy, seconds):
    server.ask("REPLICAOF", "127.0.0.1", "1")
    time.sleep(seconds)
    server.ask("REPLICAOF", "NO", "ONE")


def new_password(run, server, proxy, seconds):
    """The server keeps connections that have logged in; without them every host must log in again."""
    server.ask("CONFIG", "SET", "requirepass", PASSWORD)
    server.password = PASSWORD
    server.ask("CLIENT", "KILL", "TYPE", "normal")


def slow_server(run, server, proxy, seconds):
    answer = server.ask("DEBUG", "SLEEP", "3")
    assert answer == "OK", answer


def absurd_answers(run, server, proxy, seconds):
    proxy.mode = "absurd"
    time.sleep(seconds)
    proxy.mode = "pass"


def late_answers(run, server, proxy, seconds):
    proxy.mode = "delay"
    time.sleep(seconds)
    proxy.mode = "pass"


def silent_connections(run, server, proxy, seconds):
    """As after the server's computer was lost and another took its address: nothing closes the old connections."""
    proxy.silent = proxy.connections


def wrong_type(run, server, proxy, seconds):
    keys = [key for key in server.ask("KEYS", "kvs-fleet:*:quota") if "{check}" not in key]
    assert keys, "no quota on the server"
    for key in keys:
        server.ask("SET", key, "x")


FAILURES = {
    "none": None,
    "server killed, later empty": restart_empty,
    "server hangs": hang,
    "FLUSHALL": flush,
    "SCRIPT FLUSH": flush_scripts,
    "a host is stopped": stop_host,
    "a host is killed, later started": kill_host,
    "read-only replica": replica,
    "password changed": new_password,
    "DEBUG SLEEP 3": slow_server,
    "absurd answers": absurd_answers,
    "answers 1.5 s late": late_answers,
    "old connections stay silent": silent_connections,
    "quota's key of another type": wrong_type,
}
THROUGH_PROXY = (absurd_answers, late_answers, silent_connections)


def fail(options, program, folder, event):
    """One failure."""
    hosts, devices, after, seconds = SHORT_FAILURES if options.short else FULL_FAILURES
    folder.mkdir()
    server = Server(program, folder).start()
    proxy = Proxy(server.port) if event in THROUGH_PROXY else None
    url = f"redis://127.0.0.1:{proxy.port}" if proxy else server.url
    try:
        call = (lambda run: event(run, server, proxy, seconds)) if event else None
        return Run(options.binary, folder, [devices] * hosts, url, server, event=call, event_after=after)
    finally:
        server.end()
        if proxy:
            proxy.end()


def check_failures(checks, options, program, folder):
    """Part B."""
    name = pathlib.Path(program).name
    wanted = {title: event for title, event in FAILURES.items() if not options.only or options.only in title}
    rows = []
    pool = concurrent.futures.ThreadPoolExecutor(5 if options.short else 1)
    try:
        runs = {
            title: pool.submit(fail, options, program, folder / f"failure-{index}", event)
            for index, (title, event) in enumerate(wanted.items())
        }
        for title, future in runs.items():
            try:
                run = future.result()
            except Exception as error:  # An exception is a failed check; the other failures continue.
                checks.check(f"{name}: {title}", repr(error), "no exception")
                continue
            checks.check(f"{name}: {title}: every device once", run.correctness(), "")
            if wanted[title] is not new_password:
                checks.check(f"{name}: {title}: hosts that did not join again", run.left_alone(), [])
            rows.append(failure_row(checks, options, f"{name}: {title}", title, run))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    head = [
        "failure", "makespan, s", "ideal, s", "throttled", "least from 5 s after it began", "from 5 s after it ended",
        "most", "calls a request", "goal: 95 %",
    ]
    if rows:
        hosts, devices, _, seconds = SHORT_FAILURES if options.short else FULL_FAILURES
        title = f"Failures of {seconds} s, {name}, {hosts} hosts with {devices} devices each"
        print_table(f"{title}. Least and most: of the grant, in any {WINDOW} s.", head, rows, options.table)


def failure_row(checks, options, name, title, run):
    begin, _ = run.busy()
    shares = run.window_shares(run.began + WINDOW if run.began else begin)
    later = run.window_shares(run.ended + WINDOW) if run.ended else []
    least = [min(each) if each else None for each in (shares, later)]
    most = max(run.window_shares(begin), default=None)
    if options.short:
        bounds = (least[1] is None or least[1] >= 0.4, run.throttled_share <= 0.25)
        checks.check(f"{name}: loose bounds of --short", bounds, (True, True))
    # Windows that begin before that are those in which hosts recover.
    decisive = least[1] if run.ended else least[0]
    is_met = decisive is None or decisive >= 0.95
    return [
        title, f"{run.makespan:.1f}", f"{run.ideal:.1f}", percent(run.throttled_share, 2), percent(least[0]),
        percent(least[1]), percent(most), decimal(run.calls_a_request), verdict(is_met),
    ]


# C: pace


class Scenario:
    """Hosts that work together until they have finished."""

    def __init__(self, title, sizes, flags=(), most_calls=None, most_throttled=0.001, is_long=False, without_too=True):
        self.title = title
        self.sizes = sizes
        self.flags = flags
        self.most_calls = most_calls
        self.most_throttled = most_throttled
        self.is_long = is_long  # Long enough, and even enough, to measure rate and fairness.
        self.without_too = without_too


LONE = "1 host with 1,000"
SCENARIOS = [
    Scenario("16 hosts with 200 each", [200] * 16, most_calls=1.1, is_long=True),
    Scenario("1 host with 2,000, 15 with 100", [2_000] + [100] * 15),
    Scenario("8 hosts with 500 each, --rate auto", [500] * 8, ["--rate", "auto"], most_throttled=0.005),
    Scenario("1 host with 3,000", [3_000], most_calls=0.25, is_long=True, without_too=False),
    Scenario("2 hosts with 1,500 each", [1_500] * 2, most_calls=0.25, is_long=True),
    Scenario("4 hosts with 750 each", [750] * 4, most_calls=0.25, is_long=True),
    Scenario(LONE, [1_000]),
]
SHORT_SCENARIOS = [Scenario("4 hosts with 100 each", [100] * 4)]


def pace(checks, options, program, folder, lone_without):
    """Part C with the server, or without one. Returns the rows and the makespans of the lone host."""
    name = pathlib.Path(program).name if program else "without"
    rows, lone = [], []
    for index, scenario in enumerate(SHORT_SCENARIOS if options.short else SCENARIOS):
        if options.only and options.only not in scenario.title or not program and not scenario.without_too:
            continue
        runs = []
        for repetition in range(options.repeat):
            into = folder / f"pace-{index}-{repetition}"
            into.mkdir(parents=True)
            server = Server(program, into).start() if program else None
            run = Run(options.binary, into, scenario.sizes, server and server.url, server, scenario.flags)
            if server:
                server.end()
            checks.check(f"{name}: {scenario.title}: every device once", run.correctness(), "")
            runs.append(run)
        if scenario.title == LONE:
            lone += [run.makespan for run in runs]
        rows.append(pace_row(checks, options, name, scenario, runs, program, lone_without))
    return rows, lone


def pace_row(checks, options, name, scenario, runs, program, lone_without):
    ideal = runs[0].ideal
    makespans = [run.makespan for run in runs]
    throttled = [run.throttled_share for run in runs]
    calls = [run.calls_a_request for run in runs] if program else []
    steady = [run.steady_share() for run in runs] if scenario.is_long else []
    fairness = [run.fairness() for run in runs] if scenario.is_long and len(scenario.sizes) > 1 else []
    goals = {
        "makespan": max(makespans) <= 1.02 * ideal + 1,
        "throttled": max(throttled) <= scenario.most_throttled,
        "rate": all(0.995 <= share <= 1.005 for share in steady),
        "fairness": all(index >= 0.995 for index in fairness),
        "calls": not scenario.most_calls or all(each <= scenario.most_calls for each in calls),
    }
    if scenario.title == LONE and lone_without:
        without = statistics.median(lone_without)
        goals["as without"] = abs(statistics.median(makespans) / without - 1) <= 0.01
    if options.short and program:
        bounds = (max(makespans) <= 1.5 * ideal + 3, max(throttled) <= 0.05, all(each <= 3 for each in calls))
        checks.check(f"{name}: {scenario.title}: loose bounds of --short", bounds, (True, True, True))
    missed = [goal for goal, is_met in goals.items() if not is_met]
    goal = verdict(not missed) + (f" ({', '.join(missed)})" if missed else "") if program else "-"
    return [
        scenario.title, name, worst(makespans, lambda each: f"{each:.2f}"), f"{ideal:.0f}",
        worst(throttled, lambda each: percent(each, 2)),
        worst(steady, lambda each: percent(each, 2), key=lambda each: abs(each - 1)),
        worst(fairness, lambda each: f"{each:.4f}", key=lambda each: -each), worst(calls, decimal), goal,
    ]


def worst(figures, shown, key=lambda each: each):
    """The worst of several and the median, or the only one."""
    if not figures:
        return "-"
    text = shown(max(figures, key=key))
    return text if len(figures) == 1 else f"{text} ({shown(statistics.median(figures))})"


def percent(share, digits=1):
    return "-" if share is None else f"{100 * share:.{digits}f} %"


def decimal(number):
    return "-" if number is None else f"{number:.3f}"


def verdict(is_met):
    return "ok" if is_met else "MISS"


def print_table(title, head, rows, is_markdown):
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    padded = [[cell.ljust(width) for cell, width in zip(row, widths)] for row in [head, *rows]]
    lines = ["  ".join(row).rstrip() for row in padded]
    if is_markdown:
        lines = ["| " + " | ".join(row) + " |" for row in padded]
        lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    print("\n".join(["", title, "", *lines, ""]), flush=True)


# All


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary", type=os.path.abspath)
    parser.add_argument("--server", action="append", dest="servers", metavar="PATH")
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--only", metavar="TEXT", help="run what has TEXT in its name")
    parser.add_argument("--parts", default="ABC", help="the parts to run, such as BC")
    parser.add_argument("--repeat", type=int, default=1, metavar="N")
    options = parser.parse_args()
    found = options.servers or [name for name in ("redis-server", "valkey-server") if shutil.which(name)]
    options.servers = [shutil.which(server) or os.path.abspath(server) for server in found]
    if not options.servers:
        parser.error("neither redis-server nor valkey-server was found; --server says where one is")
    return options


def check_all(checks, options, folder):
    rows, lone_without, rules = [], [], {}
    if "C" in options.parts:
        rows, lone_without = pace(checks, options, None, folder / "without", None)
    for index, program in enumerate(options.servers):
        into = folder / str(index)
        into.mkdir()
        if "A" in options.parts:
            rules[pathlib.Path(program).name] = check_refusals(checks, options, program, into)
        if "B" in options.parts:
            check_failures(checks, options, program, into)
        if "C" in options.parts:
            rows += pace(checks, options, program, into, lone_without)[0]
    if rows:
        head = [
            "scenario", "server", "makespan, s", "ideal, s", "throttled", "steady rate",
            f"Jain's index in {FAIRNESS_WINDOW} s", "calls a request", "goals",
        ]
        repeated = f", the worst and (the median) of {options.repeat}" if options.repeat > 1 else ""
        print_table(f"Pace{repeated}", head, rows, options.table)
    for name, rule in rules.items():
        if rule:
            print(f"The least permissions of a user, {name}: {rule}")


def main():
    options = arguments()
    checks = Checks()
    # Ends what was started on a signal as well.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    began = time.monotonic()
    try:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            try:
                check_all(checks, options, pathlib.Path(folder))
            finally:
                end_all()
    except KeyboardInterrupt:
        return 130
    print(f"{checks.passed} passed, {checks.failed} failed, in {time.monotonic() - began:.0f} s")
    return 1 if checks.failed else 0


if __name__ == "__main__":
    sys.exit(main())
