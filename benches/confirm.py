#!/usr/bin/env python3
"""The scenarios of benches/pacing with the real binary against `kvs-fleet emulator` in another process, in real time.

    cargo bench --bench pacing -- ours a-120 b-120 c-120 d-120 e-120 f-120 | benches/confirm.py target/release/kvs-fleet [FOLDER]

The simulation's table comes in at standard input; each scenario is run for two minutes (a: until its 1,500 devices are
done) and its figures stand beside the simulation's. With FOLDER, what was granted and throttled in each second is left
there as CSV, and e's rate over time as a chart, pace.svg. Needs Python 3.9 or later, nothing else; takes about 8 minutes.
"""

import concurrent.futures
import csv
import datetime
import http.client
import json
import math
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import threading
import time

SECONDS = 120
WINDOW, FOUND, CALM = 5, 0.95, 0.05
LATENCY = ["--latency", "80ms", "--latency-sigma", "0.3"]
SCENARIOS = {
    # key: (emulator's flags, hosts, provision's flags, devices a host, the quota's steps (from second, TPS))
    "a": ([], 1, ["--rate", "50"], 1_500, [(0, 50)]),
    "b": ([], 1, ["--rate", "auto"], 8_000, [(0, 50)]),
    "c": (["--rate", "500", "--burst", "500"], 1, ["--rate", "auto"], 70_000, [(0, 500)]),
    "d": ([], 1, ["--rate", "50"], 8_000, [(0, 50)]),
    "e": (["--rate-change", "60s=200"], 1, ["--rate", "auto"], 18_000, [(0, 50), (60, 200)]),
    "f": ([], 4, ["--rate", "50"], 4_000, [(0, 50)]),
}
NEIGHBOUR = {"d": (40, 80, 20)}


class Emulator:
    def __init__(self, binary, flags):
        command = [binary, "emulator", "--listen", "127.0.0.1:0", "--channel-limit", "1000000", *LATENCY, *flags]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.url = self.process.stdout.readline().strip()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()


def disturb(url, begin, span, granted):
    """Another user of the quota, who does not look at the answers."""
    start, end, rate = span
    host = url.removeprefix("http://")
    authorization = (
        "AWS4-HMAC-SHA256 Credential=NEIGHBOUR/20260101/us-east-1/kinesisvideo/aws4_request, "
        "SignedHeaders=host, Signature=0"
    )

    def create(number):
        connection = http.client.HTTPConnection(host)
        body = json.dumps({"ChannelName": f"neighbour-{number}"})
        connection.request("POST", "/createSignalingChannel", body, {"Authorization": authorization})
        if connection.getresponse().status == 200:
            granted.append(time.time() - begin)
        connection.close()

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        for number in range((end - start) * rate):
            time.sleep(max(0, begin + start + number / rate - time.time()))
            pool.submit(create, number)


def when(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def run(binary, key, folder):
    flags, hosts, options, devices, quota = SCENARIOS[key]
    emulator = Emulator(binary, flags)
    environment = {**os.environ, "AWS_EC2_METADATA_DISABLED": "true"}
    processes = []
    for host in range(hosts):
        manifest = folder / f"{key}{host}.csv"
        manifest.write_text("device_id\n" + "".join(f"H{host}-{n:06}\n" for n in range(devices)))
        command = [
            binary, "provision", manifest, "--endpoint-url", emulator.url, "--region", "us-east-1", "--quiet",
            "--no-reconcile", *options, "--summary-json", folder / f"{key}{host}.json",
        ]
        processes.append(subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL))
    begin = time.time()
    neighbour, others = None, []
    if key in NEIGHBOUR:
        neighbour = threading.Thread(target=disturb, args=(emulator.url, begin, NEIGHBOUR[key], others))
        neighbour.start()
    for process in processes:
        try:
            process.wait(max(0, begin + SECONDS - time.time()))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)
    for process in processes:
        process.wait()
    if neighbour:
        neighbour.join()
    emulator.stop()
    return figures(key, folder, hosts, quota, begin, others)


def figures(key, folder, hosts, quota, begin, others):
    summaries = [json.loads((folder / f"{key}{host}.json").read_text()) for host in range(hosts)]
    rows = [list(csv.DictReader(open(folder / f"{key}{host}.results.csv", newline=""))) for host in range(hosts)]
    starts = [when(row["started_at"]) for host in rows for row in host]
    ends = [[when(row["finished_at"]) for row in host if row["status"] == "created"] for host in rows]
    zero = min(starts)
    last = min(zero + SECONDS, max(end for host in ends for end in host))
    # The whole seconds of the job; what each answer says had happened half a latency before.
    length = int(last - zero - 0.04)
    granted = [0] * length
    for end in [end - 0.04 - zero for host in ends for end in host] + [at + begin - zero for at in others]:
        if 0 <= end < length:
            granted[int(end)] += 1
    possible = [max(rate for start, rate in quota if start <= second) for second in range(length)]
    throttled = sum(summary["requests"]["create"]["throttled"] for summary in summaries)
    sent = sum(summary["requests"]["create"]["sent"] for summary in summaries)
    events = [0] + [start for start, _ in quota[1:]] + list(NEIGHBOUR.get(key, ())[:2])
    converged = 0
    for number, event in enumerate(events):
        until = events[number + 1] if number + 1 < len(events) else length
        found = [
            second for second in range(event, until - WINDOW)
            if sum(granted[second:second + WINDOW]) >= FOUND * sum(possible[second:second + WINDOW])
        ]
        converged = max(converged, found[0] - event if found else math.inf)
    shares = [len(host) for host in ends]
    return {
        "granted": granted,
        "possible": possible,
        "util": 100 * sum(granted) / sum(possible),
        "throttled": 100 * throttled / sent,
        "converged": converged,
        "jain": sum(shares) ** 2 / (hosts * sum(share * share for share in shares)),
    }


def simulated():
    """The table of benches/pacing: scenario → (util, throttled, converged, Jain)."""
    table = {}
    for line in sys.stdin:
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("| ") and ":" in cells[0]:
            first = [cell.split()[0] for cell in cells[1:6]]
            table[cells[0].split(":")[0]] = (first[0], first[2], first[3], first[4])
    return table


def chart(run, path):
    """Granted in each second, and the quota, as an SVG that needs nothing else."""
    width, height, left, bottom = 720, 260, 46, 34
    most = 1.08 * max(run["possible"] + run["granted"])
    x = lambda second: left + second * (width - left - 8) / len(run["granted"])
    y = lambda rate: height - bottom - rate * (height - bottom - 8) / most
    points = lambda rates: " ".join(f"{x(second + 0.5):.1f},{y(rate):.1f}" for second, rate in enumerate(rates))
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
    ]
    for rate in range(0, int(most) + 1, 50 if most > 100 else 10):
        lines.append(f'<line x1="{left}" x2="{width - 8}" y1="{y(rate):.1f}" y2="{y(rate):.1f}" stroke="#dddddd"/>')
        lines.append(f'<text x="{left - 6}" y="{y(rate) + 4:.1f}" text-anchor="end" fill="#444444">{rate}</text>')
    for second in range(0, len(run["granted"]) + 1, 20):
        lines.append(f'<text x="{x(second):.1f}" y="{height - 16}" text-anchor="middle" fill="#444444">{second} s</text>')
    lines += [
        f'<polyline points="{points(run["possible"])}" fill="none" stroke="#d55e00" stroke-dasharray="6 4"/>',
        f'<polyline points="{points(run["granted"])}" fill="none" stroke="#0072b2" stroke-width="1.6"/>',
        f'<text x="{x(12):.1f}" y="{y(run["possible"][0]) - 12:.1f}" fill="#d55e00">the quota, which the run does not know</text>',
        f'<text x="{width - 14}" y="{height - bottom - 8}" text-anchor="end" fill="#0072b2">channels created a second</text>',
        "</svg>",
    ]
    path.write_text("\n".join(lines) + "\n")


def main():
    binary = os.path.abspath(sys.argv[1])
    keep = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else None
    simulation = simulated()
    wanted = [key for key in SCENARIOS if f"{key}-120" in simulation]
    # The light ones two at a time: each takes a few percent of a core.
    measured = {}
    with tempfile.TemporaryDirectory() as scratch, concurrent.futures.ThreadPoolExecutor(2) as pool:
        folder = pathlib.Path(scratch)
        running = {key: pool.submit(run, binary, key, folder) for key in wanted if key != "c"}
        measured = {key: future.result() for key, future in running.items()}
        if "c" in wanted:
            measured["c"] = run(binary, "c", folder)
    print("| scenario | util % | simulated | throttled % | simulated | conv s | simulated | Jain | simulated |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for key in wanted:
        got, expected = measured[key], simulation[f"{key}-120"]
        print(
            f"| {key} | {got['util']:.1f} | {expected[0]} | {got['throttled']:.2f} | {expected[1]} "
            f"| {got['converged']:.0f} | {expected[2]} | {got['jain']:.3f} | {expected[3]} |"
        )
        if keep:
            with open(keep / f"{key}.csv", "w", newline="") as file:
                rows = csv.writer(file)
                rows.writerow(["second", "possible", "granted"])
                rows.writerows(zip(range(len(got["granted"])), got["possible"], got["granted"]))
    if keep and "e" in measured:
        chart(measured["e"], keep / "pace.svg")


if __name__ == "__main__":
    main()
