#!/usr/bin/env python3
"""Measures finite batches in real time: the release binary, a plain script and the AWS SDK for Rust.

Each scenario is a batch that one or more processes provision at the same moment, against `kvs-fleet emulator` in a
process of its own. In every run the contenders take turns, each against a fresh emulator, and the order changes from
run to run. The contenders:

  kvs-fleet     kvs-fleet provision, with its defaults unless the scenario says otherwise
  plain script  64 threads that share an evenly spaced limiter, and retry throttled requests after an exponential
                backoff with full jitter until they succeed
  Rust SDK      64 requests in flight, adaptive retries, 10 attempts, configured to treat the error as a throttle
"""

import argparse
import concurrent.futures
import csv
import dataclasses
import datetime
import http.client
import itertools
import json
import math
import os
import pathlib
import random
import re
import select
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
# The Region of benches/throughput. The emulator counts quotas by Region, so all clients use the same one.
REGION = "eu-central-1"
HEADERS = {
    "Content-Type": "application/json",
    "Authorization": f"AWS4-HMAC-SHA256 Credential=BENCH/20260101/{REGION}/kinesisvideo/aws4_request, "
    "SignedHeaders=host, Signature=0",
}
FLEET, PLAIN, SDK = "kvs-fleet", "plain script", "Rust SDK"
IN_FLIGHT = 64
FIRST_BACKOFF_SECONDS, LONGEST_BACKOFF_SECONDS = 0.1, 5
SHORT_BOUND = 2


@dataclasses.dataclass
class Neighbour:
    """Another user of the quota, who ignores throttles."""

    rate: float
    is_even: bool = False
    start: float = 0
    end: float = math.inf


@dataclasses.dataclass
class Scenario:
    group: str
    title: str
    hosts: int = 1
    devices: int = 500
    ceiling: float = 50  # Creates a second of each process.
    plain_rate: float = 50  # The same for the plain script, which must be given one.
    quota: float = 50
    burst: float = 50
    random_throttles: float = 0
    neighbour: Neighbour = None
    emulator_flags: tuple = ()
    fleet_flags: tuple = ()
    has_sdk: bool = False

    def ideal(self):
        """Seconds that a client would need that knows quota and neighbour in advance. Beside a neighbour that never
        stops: the time at the share of the quota that is proportional to what each side wants to send."""
        neighbour, wanted = self.neighbour, self.hosts * self.ceiling
        if neighbour and neighbour.end == math.inf:
            return self.hosts * self.devices * (wanted + neighbour.rate) / (self.quota * wanted)
        step, now, tokens, left = 0.005, 0, self.burst, self.hosts * self.devices
        while left > 1e-6:
            is_shared = neighbour and neighbour.start <= now < neighbour.end
            refill = self.quota - (neighbour.rate if is_shared else 0)
            tokens = min(self.burst, tokens + refill * step)
            taken = min(left, tokens, wanted * (1 - self.random_throttles) * step)
            tokens, left, now = tokens - taken, left - taken, now + step
        return now

    def most_seconds(self):
        """The time limit of a contender."""
        return 60 + 5 * self.ideal()


ALONE, TOGETHER, VARIED, HOSTILE, OTHER = (
    "Alone",
    "Several processes that start together",
    "Several processes that start together, varying latency",
    "Beside a client that ignores throttles",
    "Other conditions",
)
SCENARIOS = {
    "f1": Scenario(ALONE, "1 process × 1,500", devices=1_500),
    "f2": Scenario(TOGETHER, "2 processes × 500", hosts=2, has_sdk=True),
    "f4": Scenario(TOGETHER, "4 processes × 500", hosts=4, has_sdk=True),
    "f8": Scenario(TOGETHER, "8 processes × 500", hosts=8, has_sdk=True),
    "f8x100": Scenario(TOGETHER, "8 processes × 100", hosts=8, devices=100),
    "f4-sigma01": Scenario(VARIED, "4 processes × 500, sigma 0.1", hosts=4, emulator_flags=("--latency-sigma", "0.1")),
    "f4-sigma035": Scenario(
        VARIED, "4 processes × 500, sigma 0.35", hosts=4, emulator_flags=("--latency-sigma", "0.35")
    ),
    "hostile": Scenario(HOSTILE, "500 devices; 100/s at random instants", neighbour=Neighbour(100), has_sdk=True),
    "hostile-even": Scenario(HOSTILE, "500 devices; 100/s evenly spaced", neighbour=Neighbour(100, is_even=True)),
    "random50": Scenario(
        OTHER, "300 devices at 200/s, half of all answers throttled at random", devices=300, ceiling=200,
        plain_rate=200, quota=1_000_000, burst=1_000_000, random_throttles=0.5,
        emulator_flags=("--fault", "throttle=50%@create"), fleet_flags=("--rate", "200"),
    ),
    "neighbour20": Scenario(
        OTHER, "1,800 devices, a neighbour takes 20/s from second 10 to 30", devices=1_800,
        neighbour=Neighbour(20, start=10, end=30),
    ),
    "auto500": Scenario(
        OTHER, "12,000 devices, 500/s granted, which only the plain script knows", devices=12_000, ceiling=math.inf,
        plain_rate=500, quota=500, burst=500, fleet_flags=("--rate", "auto", "--workers", "256"),
    ),
}  # fmt: skip
# For the chart: the quota goes from 50 to 200/s after a minute, unknown to kvs-fleet, and the devices outlast the run.
STEP = Scenario(
    OTHER, "", devices=18_000, emulator_flags=("--latency-sigma", "0.3", "--rate-change", "60s=200"),
    fleet_flags=("--rate", "auto"),
)  # fmt: skip
STEP_AFTER, STEP_RATE, STEP_SECONDS = 60, 200, 120
FOUND_SHARE, FOUND_SECONDS = 0.95, 5


# Code that runs in separate processes.


def plain_client(url, prefix, devices, rate):
    """The plain script. Prints, for each device, when it was created and how many of its requests were throttled."""
    local, lock, next_turn = threading.local(), threading.Lock(), time.monotonic()

    def wait_for_turn():
        nonlocal next_turn
        with lock:
            turn = max(next_turn, time.monotonic())
            next_turn = turn + 1 / rate
        time.sleep(max(0, turn - time.monotonic()))

    def create(number):
        if not hasattr(local, "connection"):
            local.connection = http.client.HTTPConnection(url.split("//")[1], timeout=10)
        body = json.dumps({"ChannelName": f"{prefix}{number:06}", "ChannelType": "SINGLE_MASTER"})
        for throttles in itertools.count():
            wait_for_turn()
            local.connection.request("POST", "/createSignalingChannel", body, HEADERS)
            answer = local.connection.getresponse()
            content = answer.read()
            if answer.status == 200:
                print(f"{time.time():.3f} {throttles}\n", end="", flush=True)
                return
            if b"ClientLimitExceededException" not in content + str(answer.headers).encode():
                sys.exit(f"{answer.status}: {content}")
            time.sleep(random.uniform(0, min(LONGEST_BACKOFF_SECONDS, FIRST_BACKOFF_SECONDS * 2**throttles)))

    with concurrent.futures.ThreadPoolExecutor(IN_FLIGHT) as pool:
        list(pool.map(create, range(devices)))


def neighbour_client(url, neighbour, seed):
    """Sends at its own rate, whatever the answers are. Prints when it is ready, starts when a line arrives on standard
    input, and prints how many requests it has sent and how many were granted when it ends."""
    draw = random.Random(seed)
    host, port = url.split("//")[1].split(":")
    headers = "".join(f"{name}: {value}\r\n" for name, value in HEADERS.items())
    idle, answers, sent, granted = [], {}, 0, 0
    print("ready", flush=True)
    sys.stdin.readline()
    begin = time.monotonic()
    due, end = begin + neighbour.start, begin + neighbour.end
    try:
        while due < end or answers:
            wait = max(0, due - time.monotonic()) if due < end else 1
            for connection in select.select(list(answers), [], [], wait)[0]:
                answers[connection] += connection.recv(65536) or sys.exit("the emulator has closed a connection")
                if is_complete(answers[connection]):
                    granted += answers.pop(connection).startswith(b"HTTP/1.1 200")
                    idle.append(connection)
            if due < end and time.monotonic() >= due:
                connection = idle.pop() if idle else connect(host, int(port))
                body = json.dumps({"ChannelName": f"neighbour-{sent:06}"})
                head = f"POST /createSignalingChannel HTTP/1.1\r\nHost: {host}\r\n{headers}Content-Length: {len(body)}"
                connection.sendall(f"{head}\r\n\r\n{body}".encode())
                answers[connection] = b""
                sent += 1
                due += 1 / neighbour.rate if neighbour.is_even else draw.expovariate(neighbour.rate)
    finally:
        print(sent, granted)


def connect(host, port):
    connection = socket.create_connection((host, port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def is_complete(answer):
    head, _, body = answer.partition(b"\r\n\r\n")
    length = re.search(rb"content-length: *(\d+)", head, re.IGNORECASE)
    return bool(length) and len(body) >= int(length[1])


# Processes.


class Processes:
    """Child processes, all of which have ended when the block ends."""

    def __init__(self):
        self.running = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.running:
            process.terminate()
        for process in self.running:
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def start(self, command, **options):
        keep = {name: value for name, value in os.environ.items() if not name.startswith(("KVS_FLEET_", "AWS_"))}
        environment = {**keep, "AWS_EC2_METADATA_DISABLED": "true"}
        process = subprocess.Popen(list(map(str, command)), env=environment, text=True, **options)
        self.running.append(process)
        return process


def this_script(*words):
    return [sys.executable, "-S", pathlib.Path(__file__).resolve(), *words]


def start_emulator(processes, binary, scenario, seed):
    command = [
        binary, "emulator", "--listen", "127.0.0.1:0", "--channel-limit", "1000000", "--latency", "80ms",
        "--rate", scenario.quota, "--burst", scenario.burst, "--seed", seed, *scenario.emulator_flags,
    ]  # fmt: skip
    emulator = processes.start(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    url = emulator.stdout.readline().strip()
    return url or sys.exit("the emulator does not start")


def start_neighbour(processes, url, neighbour, seed):
    settings = json.dumps(dataclasses.asdict(neighbour))
    command = this_script("--neighbour-client", url, settings, seed)
    process = processes.start(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    process.stdout.readline()
    return process


# One contender in one run.


@dataclasses.dataclass
class Result:
    """The result of a contender in one run of a scenario."""

    scenario: str
    run: int
    contender: str
    makespan: float
    is_stopped: bool
    lost: int
    unfinished: int
    sent: int
    throttled: int
    jain: float
    neighbour_sent: int
    neighbour_granted: int


@dataclasses.dataclass
class Host:
    """The result of one process of a contender."""

    created_at: list
    sent: int
    throttled: int


class Bench:
    """The executables, and one folder for all files."""

    def __init__(self, binary, sdk, folder):
        self.binary, self.sdk, self.folder = binary, sdk, folder

    def contenders(self, scenario):
        return [FLEET, PLAIN] + ([SDK] if scenario.has_sdk and self.sdk else [])

    def command(self, contender, scenario, url, host):
        for old in self.folder.glob(f"{host}.*"):
            old.unlink()
        prefix = f"H{host}-"
        if contender == PLAIN:
            settings = scenario.devices, scenario.plain_rate
            return this_script("--plain-client", url, prefix, *settings)
        if contender == SDK:
            return [self.sdk, "client", url, prefix, scenario.devices]
        manifest = self.folder / f"{host}.csv"
        rows = "".join(f"{prefix}{number:06}\n" for number in range(scenario.devices))
        manifest.write_text("device_id\n" + rows)
        return [
            self.binary, "provision", manifest, "--no-reconcile", "--quiet", "--endpoint-url", url,
            "--region", REGION, "--summary-json", self.folder / f"{host}.json", *scenario.fleet_flags,
        ]  # fmt: skip

    def outcome(self, contender, host):
        output = (self.folder / f"{host}.out").read_text()
        if contender == PLAIN:
            lines = [line.split() for line in output.splitlines()]
            throttled = sum(int(throttles) for _, throttles in lines)
            return Host([float(at) for at, _ in lines], len(lines) + throttled, throttled)
        if contender == SDK:
            client = json.loads(output)
            return Host(client["created_at"], client["answers"], client["throttled"])
        create = json.loads((self.folder / f"{host}.json").read_text())["requests"]["create"]
        with open(self.folder / f"{host}.results.csv", newline="") as file:
            created = [seconds(row["finished_at"]) for row in csv.DictReader(file) if row["status"] == "created"]
        return Host(created, create["sent"], create["throttled"])

    def run(self, key, scenario, contender, number, most_seconds):
        """Runs all processes of a contender, to their end or for this many seconds. Returns the hosts too."""
        with concurrent.futures.ThreadPoolExecutor(scenario.hosts) as pool, Processes() as processes:
            url = start_emulator(processes, self.binary, scenario, number)
            commands = [self.command(contender, scenario, url, host) for host in range(scenario.hosts)]
            neighbour = scenario.neighbour and start_neighbour(processes, url, scenario.neighbour, number)
            if neighbour:
                neighbour.stdin.write("start\n")
                neighbour.stdin.flush()
            begin, hosts = time.monotonic(), []
            for host, command in enumerate(commands):
                with open(self.folder / f"{host}.out", "w") as out, open(self.folder / f"{host}.err", "w") as err:
                    hosts.append(processes.start(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err))
            # The time at which each process ends, to less than a millisecond.
            waiting = [pool.submit(lambda process: (process.wait(), time.monotonic())[1], process) for process in hosts]
            _, late = concurrent.futures.wait(waiting, most_seconds)
            for process in hosts if late else ():
                process.send_signal(signal.SIGTERM if contender == PLAIN else signal.SIGINT)
            makespan = most_seconds if late else max(end.result() for end in waiting) - begin
            for end in waiting:
                end.result()
            neighbour_sent = neighbour_granted = 0
            if neighbour:
                neighbour.terminate()
                counts = neighbour.communicate()[0]
                if neighbour.returncode:
                    sys.exit(f"the neighbour has ended with exit code {neighbour.returncode}: the run measures nothing")
                neighbour_sent, neighbour_granted = map(int, counts.split())
        if not late:
            self.check(contender, hosts)
        outcomes = [self.outcome(contender, host) for host in range(scenario.hosts)]
        missing = scenario.hosts * scenario.devices - sum(len(host.created_at) for host in outcomes)
        result = Result(
            scenario=key,
            run=number,
            contender=contender,
            makespan=makespan,
            is_stopped=bool(late),
            lost=0 if late else missing,
            unfinished=missing if late else 0,
            sent=sum(host.sent for host in outcomes),
            throttled=sum(host.throttled for host in outcomes),
            jain=jain_at_first_finish(outcomes),
            neighbour_sent=neighbour_sent,
            neighbour_granted=neighbour_granted,
        )
        return result, outcomes

    def check(self, contender, processes):
        """Ends the program if a process could not work at all."""
        for host, process in enumerate(processes):
            # kvs-fleet: 3 when devices have failed, 1 when it gave up; both have a summary, and count as lost devices.
            if process.returncode not in ((0, 1, 3) if contender == FLEET else (0,)):
                errors = (self.folder / f"{host}.err").read_text()
                sys.exit(f"{contender} ended with {process.returncode}:\n{errors}")


def seconds(text):
    """A time in a results file, in seconds since the Unix epoch."""
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def jain_at_first_finish(hosts):
    """Jain's index of the processes until the first one finishes: 1 is even, 1/n is one process that takes all."""
    if len(hosts) == 1 or not all(host.created_at for host in hosts):
        return math.nan
    first = min(max(host.created_at) for host in hosts)
    counts = [sum(at <= first for at in host.created_at) for host in hosts]
    return sum(counts) ** 2 / (len(counts) * sum(count * count for count in counts))


# Tables.


COLUMNS = (
    "scenario", "contender", "makespan: min", "median", "max", "median (max) ÷ ideal", "throttled", "lost", "Jain",
    "neighbour",
)  # fmt: skip


def print_table(group, results):
    print(f"\n### {group}\n\n| {' | '.join(COLUMNS)} |\n{'| --- ' * len(COLUMNS)}|")
    for key, scenario in SCENARIOS.items():
        first = f"{key}: {scenario.title}; ideal {scenario.ideal():.1f} s"
        for contender in (FLEET, PLAIN, SDK):
            rows = [row for row in results if (row.scenario, row.contender) == (key, contender)]
            if scenario.group == group and rows:
                print(f"| {first} | {contender} | {' | '.join(cells(rows, scenario.ideal()))} |")
                first = ""
    sys.stdout.flush()


def cells(rows, ideal):
    spans = sorted(row.makespan for row in rows)
    # A contender that was stopped would have taken longer, by an unknown time.
    least_of_stopped = min((row.makespan for row in rows if row.is_stopped), default=math.inf)

    def text(span, format):
        # Of an even number of runs the median is between two: the longer one counts here.
        is_at_least = (statistics.median_high(spans) if span == median else span) >= least_of_stopped
        return ("> " if is_at_least else "") + format.format(span=span, ratio=span / ideal)

    median = statistics.median(spans)
    shares = [100 * row.throttled / row.sent for row in rows if row.sent]
    jains = [row.jain for row in rows if not math.isnan(row.jain)]
    granted = [100 * row.neighbour_granted / row.neighbour_sent for row in rows if row.neighbour_sent]
    devices = f"{sum(row.lost for row in rows)}"
    unfinished = sum(row.unfinished for row in rows)
    return [
        text(spans[0], "{span:.1f} s"),
        text(median, "{span:.1f} s"),
        text(spans[-1], "{span:.1f} s"),
        f"{text(median, '{ratio:.2f}')} ({text(spans[-1], '{ratio:.2f}')})",
        f"{statistics.median(shares):.1f} % ({max(shares):.1f} %)" if shares else "–",
        f"{devices}, {unfinished} unfinished" if unfinished else devices,
        f"{statistics.median(jains):.2f} ({min(jains):.2f})" if jains else "–",
        f"{statistics.median(granted):.0f} %" if granted else "–",
    ]


NOTES = """
Makespan: from the start of the processes to the end of the last. "> 200.0 s" was stopped after this time, with devices
unfinished. Ideal: the makespan of a client that knows in advance what the service grants and leaves the neighbour all
it asks for; beside a neighbour that never stops and ignores throttles, the time at the proportional share of the quota.
Throttled: share of the create requests, median (most) of the runs. Lost: devices given up, in all runs. Jain: Jain's
index over the channels of each process when the first process finishes, median (least) of the runs; 1 is even, 1/n is
one process that takes all. Neighbour: share of the neighbour's requests that were granted, median of the runs."""


def print_comparison(results):
    """The number of runs in which kvs-fleet finished before the plain script."""
    pairs = {}
    for row in results:
        pairs.setdefault((row.scenario, row.run), {})[row.contender] = row
    pairs = {where: pair for where, pair in pairs.items() if FLEET in pair and PLAIN in pair}
    wins = [key for (key, _), pair in pairs.items() if pair[FLEET].makespan < pair[PLAIN].makespan]
    runs = [key for key, _ in pairs]
    if not runs:
        return
    parts = ", ".join(f"{key} {wins.count(key)} of {runs.count(key)}" for key in dict.fromkeys(runs))
    print(f"\nkvs-fleet's makespan was below the plain script's in {len(wins)} of {len(runs)} runs ({parts}).")


def write_csv(path, results):
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, [field.name for field in dataclasses.fields(Result)])
        writer.writeheader()
        writer.writerows(map(dataclasses.asdict, results))


# The chart.


def draw_step(bench, path):
    """One run in which the quota changes, as a chart of the channels created in each second."""
    _, (host,) = bench.run("step", STEP, FLEET, 1, STEP_SECONDS)
    # The emulator decides when a request arrives, half a latency before the answer is recorded.
    begin = min(host.created_at)
    length = min(STEP_SECONDS - 1, int(max(host.created_at) - begin))
    granted = [0] * length
    for at in host.created_at:
        if at - begin < length:
            granted[int(at - begin)] += 1
    quota = [STEP.quota if second < STEP_AFTER else STEP_RATE for second in range(length)]
    found = [
        second - STEP_AFTER
        for second in range(STEP_AFTER, length - FOUND_SECONDS)
        if sum(granted[second : second + FOUND_SECONDS]) >= FOUND_SHARE * STEP_RATE * FOUND_SECONDS
    ]
    chart(granted, quota, path)
    after = f"{found[0]} s after the change" if found else "not"
    used = 100 * sum(granted) / sum(quota)
    throttled = 100 * host.throttled / host.sent
    print(
        f"\nstep: {used:.1f} % of the quota used in {length} s, {throttled:.2f} % throttled; {FOUND_SHARE:.0%} of the "
        f"new quota in {FOUND_SECONDS} seconds in a row first reached {after}. Chart: {path}"
    )


def chart(granted, quota, path):
    """Granted in each second, and the quota, as an SVG that needs no other file."""
    width, height, left, bottom = 720, 260, 46, 34
    most = 1.08 * max(quota + granted)

    def x(second):
        return left + second * (width - left - 8) / len(granted)

    def y(rate):
        return height - bottom - rate * (height - bottom - 8) / most

    def points(rates):
        return " ".join(f"{x(second + 0.5):.1f},{y(rate):.1f}" for second, rate in enumerate(rates))

    def text(x, y, anchor, fill, words):
        return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{fill}">{words}</text>'

    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" '
        'font-size="12">',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
    ]
    for rate in range(0, int(most) + 1, 50):
        lines.append(f'<line x1="{left}" x2="{width - 8}" y1="{y(rate):.1f}" y2="{y(rate):.1f}" stroke="#dddddd"/>')
        lines.append(text(left - 6, y(rate) + 4, "end", "#444444", rate))
    for second in range(0, len(granted) + 2, 20):
        lines.append(text(x(second), height - 16, "middle", "#444444", f"{second} s"))
    lines += [
        f'<polyline points="{points(quota)}" fill="none" stroke="#d55e00" stroke-dasharray="6 4"/>',
        f'<polyline points="{points(granted)}" fill="none" stroke="#0072b2" stroke-width="1.6"/>',
        text(x(12), y(quota[0]) - 12, "start", "#d55e00", "the quota, which the run does not know"),
        text(width - 14, height - bottom - 8, "end", "#0072b2", "channels created a second"),
        "</svg>",
    ]
    path.write_text("\n".join(lines) + "\n")


# The command line.


def arguments():
    keys = "\n".join(f"  {key:12}  {scenario.title}" for key, scenario in SCENARIOS.items())
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=f"scenarios (latency 80 ms, quota 50/s, burst 50 unless the name says otherwise):\n{keys}\n\n"
        "All of them with five runs take about two hours, f4 alone about twelve minutes. Each group's table goes to\n"
        "standard output when the group is complete, progress to standard error. Needs Python 3.9 or later.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("keys", metavar="KEY", nargs="*", help="scenarios to run [default: all]")
    parser.add_argument("--runs", metavar="N", type=int, default=5, help="runs of each scenario [default: 5]")
    parser.add_argument(
        "--binary", metavar="PATH", help="the release binary [default: release/kvs-fleet in CARGO_TARGET_DIR or target]"
    )
    parser.add_argument(
        "--sdk", metavar="PATH",
        help="the executable of `cargo bench --bench throughput` [default: cargo builds it and says where it is]",
    )  # fmt: skip
    parser.add_argument("--no-sdk", action="store_true", help="leave the Rust SDK out")
    parser.add_argument("--csv", metavar="FILE", help="write a row for each contender in each run to this file")
    parser.add_argument(
        "--chart", metavar="FILE",
        help="run kvs-fleet with --rate auto for two minutes while the quota goes from 50 to 200/s, and write the "
        "rate over time to this file, as SVG; without keys, run nothing else",
    )  # fmt: skip
    parser.add_argument(
        "--short", action="store_true",
        help="run kvs-fleet alone once on f4, in less than a minute and a half; exit code 1 unless it loses no device "
        f"and its makespan is at most {SHORT_BOUND} times the ideal: a broken pace fails, a busy machine does not",
    )  # fmt: skip
    options = parser.parse_args()
    for key in options.keys:
        if key not in SCENARIOS:
            parser.error(f"no scenario is named '{key}'; there are {', '.join(SCENARIOS)}")
    if options.short and (options.keys or options.chart):
        parser.error("--short takes neither scenarios nor --chart")
    if options.runs < 1:
        parser.error("--runs must be at least 1")
    if options.short:
        options.keys, options.runs, options.no_sdk = ["f4"], 1, True
    elif not options.keys and not options.chart:
        options.keys = list(SCENARIOS)
    # In the order of the table of scenarios, so that each group is complete at once.
    options.keys = [key for key in SCENARIOS if key in options.keys]
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    options.binary = pathlib.Path(options.binary or target / "release/kvs-fleet").resolve()
    if not options.binary.is_file():
        parser.error(f"{options.binary} does not exist; run `cargo build --release`, or give --binary")
    return options


def find_sdk():
    """Builds the bench that holds the Rust SDK's client, and returns its path."""
    print("building the Rust SDK's client: cargo bench --bench throughput --no-run", file=sys.stderr)
    command = ["cargo", "bench", "--bench", "throughput", "--no-run", "--message-format=json"]
    try:
        built = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        sys.exit(f"{error}\nGive --sdk PATH, or leave the Rust SDK out with --no-sdk.")
    messages = map(json.loads, built.stdout.splitlines())
    return next(
        message["executable"]
        for message in messages
        if message["reason"] == "compiler-artifact" and message["target"]["name"] == "throughput"
    )


def measure(bench, options, results):
    """Runs the scenarios, and prints each group's table when the group is complete or the runs are interrupted."""
    for group, keys in itertools.groupby(options.keys, lambda key: SCENARIOS[key].group):
        try:
            for key in keys:
                scenario = SCENARIOS[key]
                most_seconds = SHORT_BOUND * scenario.ideal() if options.short else scenario.most_seconds()
                for number in range(1, options.runs + 1):
                    contenders = [FLEET] if options.short else bench.contenders(scenario)
                    first = (number - 1) % len(contenders)
                    for contender in contenders[first:] + contenders[:first]:
                        result, _ = bench.run(key, scenario, contender, number, most_seconds)
                        results.append(result)
                        print_progress(result, options.runs)
        finally:
            if any(SCENARIOS[row.scenario].group == group for row in results):
                print_table(group, results)


def print_progress(result, runs):
    unfinished = f", stopped with {result.unfinished} devices unfinished" if result.is_stopped else ""
    sent, granted = result.neighbour_sent, result.neighbour_granted
    others = f", neighbour granted {granted} of {sent}" if sent else ""
    print(
        f"{result.scenario}, run {result.run} of {runs}: {result.contender} {result.makespan:.1f} s, "
        f"{result.throttled} of {result.sent} throttled, {result.lost} lost{unfinished}{others}",
        file=sys.stderr,
    )


def is_within_bounds(result):
    bound = SHORT_BOUND * SCENARIOS[result.scenario].ideal()
    print(f"Bounds for kvs-fleet: makespan {result.makespan:.1f} s (at most {bound:.1f}), {result.lost} lost (none).")
    return result.lost == 0 and not result.is_stopped and result.makespan <= bound


def client(mode, *words):
    """Runs one of this script's own clients. The process that has started it ends it, also on Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if mode == "--plain-client":
        url, prefix, devices, rate = words
        plain_client(url, prefix, int(devices), float(rate))
    else:
        url, settings, seed = words
        signal.signal(signal.SIGTERM, lambda *_: sys.exit())
        neighbour_client(url, Neighbour(**json.loads(settings)), int(seed))


def main():
    if sys.argv[1:2] in (["--plain-client"], ["--neighbour-client"]):
        return client(*sys.argv[1:])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    options = arguments()
    wants_sdk = not options.no_sdk and any(SCENARIOS[key].has_sdk for key in options.keys)
    sdk = (options.sdk or find_sdk()) if wants_sdk else None
    results = []
    with tempfile.TemporaryDirectory() as folder:
        sdk = sdk and pathlib.Path(sdk).resolve()
        bench = Bench(options.binary, sdk, pathlib.Path(folder))
        try:
            measure(bench, options, results)
        except KeyboardInterrupt:
            sys.exit(130)
        finally:
            if results:
                print(NOTES)
                print_comparison(results)
            if options.no_sdk and not options.short:
                print("The Rust SDK was left out (--no-sdk).")
            if options.csv:
                write_csv(options.csv, results)
        if options.chart:
            draw_step(bench, pathlib.Path(options.chart))
    if options.short and not is_within_bounds(next(row for row in results if row.contender == FLEET)):
        sys.exit(1)


if __name__ == "__main__":
    main()
