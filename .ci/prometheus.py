"""`/metrics` with Prometheus: `.ci/prometheus.py BINARY [--seconds N]`.

Needs prometheus, promtool and redis-server on the PATH, and `pip install prometheus-client pyyaml`. All processes listen on
loopback, on free ports, in a scratch folder, and are ended by their process IDs. Checks

- the samples in samples/deploy/prometheus: `promtool check config`, `check rules`, `test rules`; the dashboard's structure;
- the text of `/metrics` while `provision`, `verify` and `rollback` run and at their ends, with failures, throttles and a quota
  server: `promtool check metrics`, and the strict OpenMetrics parser of prometheus_client; that docs/live.md names each metric;
- a real Prometheus that scrapes a run of N seconds each second: its rate agrees with the run's summary, the alerts that must
  fire do, and each query of the dashboard has data.
"""

import argparse
import http.client
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.parse

import yaml
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from bench import Bench, end, free_port, get, is_served, no_process_left, redis_server, start, status_of, wait_for
from checks import Checks

ROOT = pathlib.Path(__file__).resolve().parent.parent
SAMPLES = ROOT / "samples/deploy/prometheus"
OPEN_METRICS = "application/openmetrics-text"
# The greatest difference between Prometheus' rate and the summary's.
TOLERANCE = 0.03
# Of the emulator, below --rate, so that there are throttles.
GRANT = 40
CHECKS = Checks()


def run(*command):
    """Exit code and all output of a command."""
    done = subprocess.run(
        [str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    return done.returncode, done.stdout


# The samples


def check_samples():
    for words in (["check", "config", "scrape.yaml"], ["check", "rules", "alerts.yaml"], ["test", "rules", "alerts.test.yaml"]):
        code, said = run("promtool", *words[:2], SAMPLES / words[2])
        CHECKS.check(f"promtool {' '.join(words)}", (code, "" if code == 0 else said), (0, ""))
    rules = yaml.safe_load((SAMPLES / "alerts.yaml").read_text())["groups"][0]["rules"]
    tested = {}
    for test in yaml.safe_load((SAMPLES / "alerts.test.yaml").read_text())["tests"]:
        for case in test["alert_rule_test"]:
            tested.setdefault(case["alertname"], set()).add(bool(case.get("exp_alerts")))
    expected = {rule["alert"]: {True, False} for rule in rules}
    CHECKS.check("alerts.test.yaml: each alert fires once and is silent once", tested, expected)
    incomplete = [
        rule["alert"]
        for rule in rules
        if {"summary", "description"} - rule["annotations"].keys() or "severity" not in rule["labels"]
    ]
    CHECKS.check("alerts.yaml: severity, summary and description", incomplete, [])


def dashboard():
    return json.loads((SAMPLES / "dashboard.json").read_text())


def check_dashboard():
    board = dashboard()
    panels = board["panels"]
    sources = {variable["name"]: variable["type"] for variable in board["templating"]["list"]}
    CHECKS.check("dashboard.json: variables", sources, {"DS_PROMETHEUS": "datasource", "instance": "query"})
    CHECKS.check("dashboard.json: title and schema", (board["title"], board["schemaVersion"] >= 36), ("kvs-fleet", True))
    CHECKS.check("dashboard.json: one ID each", len({panel["id"] for panel in panels}), len(panels))
    source = {"type": "prometheus", "uid": "${DS_PROMETHEUS}"}
    wrong = [panel["title"] for panel in panels if any(one["datasource"] != source for one in (panel, *panel["targets"]))]
    CHECKS.check("dashboard.json: the data source is the variable", wrong, [])
    incomplete = [
        panel.get("title") for panel in panels if not (panel.get("title") and panel.get("description") and panel["targets"])
    ]
    CHECKS.check("dashboard.json: title, description and queries", incomplete, [])
    cells, overlaps = set(), []
    for panel in panels:
        place = panel["gridPos"]
        own = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
        if cells & own or place["x"] + place["w"] > 24:
            overlaps.append(panel["title"])
        cells |= own
    CHECKS.check("dashboard.json: panels beside each other", overlaps, [])


# The text of /metrics


def check_text(name, url):
    """Both formats; returns the names of the metrics."""
    text = get(url, "/metrics")[2]
    done = subprocess.run(
        ["promtool", "check", "metrics"], input=text, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    CHECKS.check(f"{name}: promtool check metrics", (done.returncode, done.stdout), (0, ""))
    _, headers, text = get(url, "/metrics", headers={"Accept": f"{OPEN_METRICS};version=1.0.0,text/plain;q=0.5"})
    CHECKS.check(f"{name}: the format that was asked for", headers["content-type"].split(";")[0], OPEN_METRICS)
    try:
        families = list(text_string_to_metric_families(text))
        problem = None
    except ValueError as error:
        families, problem = [], str(error)
    CHECKS.check(f"{name}: valid OpenMetrics", problem, None)
    CHECKS.check(f"{name}: each metric has a help text", [family.name for family in families if not family.documentation], [])
    return {family.name: family.type for family in families}


def check_commands(binary):
    """Each command, while it runs and when it has ended, with a quota server; returns the metrics and their types."""
    found = {}
    faults = ["--fault", "500=20%@create", "--fault", "throttle=5%@create", "--fault", "throttle=first:3@list"]
    with redis_server() as quota_server, Bench(binary, "--rate", "50", *faults) as bench:
        bench.manifest(250, ["not valid"])
        quota = ["--quota-server", quota_server, "--serve-linger", "60s", "-q"]
        for command, arguments in [
            ("provision", ["--max-attempts", "2"]),
            ("verify", []),
            ("rollback", ["--yes"]),
        ]:
            address = f"127.0.0.1:{free_port()}"
            manifest = "devices.csv" if command == "provision" else "devices.results.csv"
            one = bench.provision(*quota, *arguments, address=address, manifest=manifest, command=command)
            url = f"http://{address}"
            assert wait_for(lambda: is_served(url)) is not None, one.messages
            if command != "verify":
                assert wait_for(lambda: status_of(url)["live"]["done"] > 50, 30) is not None, (one.messages, status_of(url))
            found |= check_text(f"{command}, running", url)
            ended = wait_for(lambda: status_of(url)["live"]["stage"] == "ended", 60)
            assert ended is not None, (one.messages, status_of(url))
            found |= check_text(f"{command}, at the end", url)
            text = get(url, "/metrics")[2]
            CHECKS.check(f"{command}: the command's name", f'command="{command}"' in text, True)
            CHECKS.check(f"{command}: has ended", "kvs_fleet_run_ended 1\n" in text, True)
            one.stop()
    return found


def check_documented(found):
    page = (ROOT / "docs/live.md").read_text()
    suffix = {"counter": "_total", "info": "_info"}
    rows = dict(re.findall(r"^\| `(kvs_fleet_\w+)` \| (\w+) \|", page, re.MULTILINE))
    expected = {name + suffix.get(kind, ""): kind for name, kind in found.items()}
    CHECKS.check("docs/live.md: every metric with its type", rows, expected)


# A real Prometheus


class Prometheus:
    """Scrapes these addresses each second, with the alerts of the sample."""

    def __init__(self, folder, targets):
        self.port = free_port()
        config = yaml.safe_load((SAMPLES / "scrape.yaml").read_text())
        config["global"] = {"evaluation_interval": "1s"}
        (job,) = config["scrape_configs"]
        job["scrape_interval"] = job["scrape_timeout"] = "1s"
        job["static_configs"][0]["targets"] = targets
        shutil.copy(SAMPLES / "alerts.yaml", folder)
        file = folder / "prometheus.yml"
        file.write_text(yaml.safe_dump(config))
        self.log = (folder / "prometheus.log").open("w")
        command = [
            "prometheus",
            f"--config.file={file}",
            f"--storage.tsdb.path={folder / 'tsdb'}",
            f"--web.listen-address=127.0.0.1:{self.port}",
            "--log.level=warn",
        ]
        self.process = start(command, stdout=self.log, stderr=subprocess.STDOUT)
        ready = wait_for(lambda: self._is_ready(), 60)
        assert ready is not None, (folder / "prometheus.log").read_text()
        # It looks at its targets only some seconds after its start.
        scraped = wait_for(lambda: all(one["lastScrape"][:4] > "0001" for one in self.targets()) and self.targets(), 60)
        assert scraped is not None, self.targets()

    def _is_ready(self):
        try:
            return get(f"http://127.0.0.1:{self.port}", "/-/ready", timeout=2)[0] == 200
        except (OSError, http.client.HTTPException):
            return False

    def targets(self):
        return self.ask("targets")["activeTargets"]

    def ask(self, path, **parameters):
        path = f"/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        answer = json.loads(get(f"http://127.0.0.1:{self.port}", path)[2])
        assert answer["status"] == "success", (parameters, answer)
        return answer["data"]

    def query(self, query, at):
        return self.ask("query", query=query, time=at)["result"]

    def stop(self):
        end(self.process)
        self.log.close()


def check_prometheus(binary, seconds):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="kvs-fleet-prometheus-"))
    faults = ["--fault", "500=15%@create"]
    targets = [f"127.0.0.1:{free_port()}" for _ in range(2)]
    prometheus = Prometheus(folder, targets)
    try:
        with redis_server() as quota_server, Bench(binary, "--rate", str(GRANT), "--burst", "5", *faults) as bench:
            devices = GRANT * seconds
            bench.manifest(devices)
            bench.manifest(100, name="few.csv")
            common = ["-q", "--max-attempts", "2", "--serve-linger", "120s"]
            # In another Region, with a quota of its own.
            shared = bench.provision(
                *common, "--quota-server", quota_server, region="us-west-2", address=targets[1], manifest="few.csv"
            )
            begun = time.time()
            one = bench.provision(*common, "--summary-json", "summary.json", address=targets[0])
            url = f"http://{targets[0]}"
            assert wait_for(lambda: is_served(url)) is not None, one.messages
            half = wait_for(lambda: status_of(url)["live"]["done"] >= devices / 2, 2 * seconds)
            assert half is not None, one.messages
            check_text("a long run, running", url)
            assert wait_for(lambda: status_of(url)["live"]["stage"] == "ended", 2 * seconds) is not None, one.messages
            # Two more scrapes.
            time.sleep(3)
            check_rate(prometheus, bench.json("summary.json"), targets[0])
            check_alerts(prometheus)
            check_queries(prometheus, begun, time.time())
            one.stop()
            shared.stop()
    finally:
        prometheus.stop()
        shutil.rmtree(folder)


def check_rate(prometheus, summary, target):
    achieved, creating = summary["rate"]["achieved"], summary["rate"]["creating_seconds"]
    series = f'kvs_fleet_devices_finished_total{{status="created", instance="{target}"}}'
    (last,) = prometheus.query(f'kvs_fleet_last_grant_timestamp_seconds{{instance="{target}"}}', time.time())
    query = f"rate({series}[{int(creating)}s])"
    (found,) = prometheus.query(query, last["value"][1])
    rate = float(found["value"][1])
    difference = rate / achieved - 1
    print(
        f"      {query}: {rate:.2f}; the summary's rate.achieved: {achieved:.2f} in {creating:.1f} s ({difference:+.2%})",
        flush=True,
    )
    CHECKS.check(f"Prometheus' rate agrees within {TOLERANCE:.0%}", abs(difference) <= TOLERANCE, True)
    (total,) = prometheus.query(series, time.time())
    CHECKS.check("Prometheus has the last count", int(total["value"][1]), summary["devices"]["created"])


def check_alerts(prometheus):
    groups = prometheus.ask("rules")["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    unwell = {rule["name"]: rule["lastError"] for rule in rules if rule["health"] != "ok"}
    CHECKS.check("Prometheus evaluates the alerts", (len(rules) > 0, unwell), (True, {}))
    firing = {rule["name"] for rule in rules if rule["state"] == "firing"}
    CHECKS.check("the alerts that fire after a run with failures", firing, {"KvsFleetFailures", "KvsFleetEndedEarly"})


def check_queries(prometheus, begun, ended):
    """Each query of the dashboard has data at some time of the run."""
    board = dashboard()
    count = 0
    for panel in board["panels"]:
        for target in panel["targets"]:
            query = target["expr"].replace("$__rate_interval", "5s").replace("$instance", ".*")
            data = prometheus.ask("query_range", query=query, start=begun, end=ended, step="1")["result"]
            values = [value for series in data for _, value in series["values"] if value != "NaN"]
            count += 1
            if not values or "$" in query:
                CHECKS.check(f"dashboard.json, {panel['title']}: {query}", values[:1], "data")
    CHECKS.check("dashboard.json: queries with data", count > 0, True)
    print(f"      {count} queries", flush=True)
    variable = board["templating"]["list"][1]["query"]["query"]
    metric, label = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable).groups()
    hosts = prometheus.ask("query_range", query=f"count by ({label}) ({metric})", start=begun, end=ended, step="1")["result"]
    CHECKS.check("dashboard.json: the hosts of the variable", len(hosts), 2)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binary", type=lambda text: pathlib.Path(text).resolve())
    parser.add_argument("--seconds", type=int, default=60, help="the length of the run that Prometheus scrapes")
    options = parser.parse_args()
    with no_process_left():
        check_samples()
        check_dashboard()
        check_documented(check_commands(options.binary))
        check_prometheus(options.binary, options.seconds)
    print(f"{CHECKS.passed} passed, {CHECKS.failed} failed")
    return 1 if CHECKS.failed else 0


if __name__ == "__main__":
    sys.exit(main())
