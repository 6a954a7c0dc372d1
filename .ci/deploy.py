#!/usr/bin/env python3
"""Checks what the files in samples/deploy mean: schemas, retried exit codes, numbers of shards, the image, the quota server.

    python .ci/deploy.py target/release/kvs-fleet

Needs `pip install botocore kubernetes-validate pyyaml` in the Python that runs it. The commands of the Kubernetes jobs and of the
AWS Batch array run on this computer, against the program's emulator on loopback. Prints a line for each check; exit code 0 when
all passed.
"""

import concurrent.futures
import configparser
import csv
import hashlib
import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import tomllib

import botocore.session
import botocore.validate
import kubernetes_validate
import yaml

from checks import Checks

ROOT = pathlib.Path(__file__).resolve().parent.parent
DEPLOY = ROOT / "samples/deploy"
# The exit codes of the README that a scheduler sees, and those worth a retry.
DOCUMENTED = (0, 1, 2, 3, 130, 143)
RETRIED = {1, 130, 143}
# The first version in which backoffLimitPerIndex is stable, and the newest that the schemas know.
KUBERNETES_VERSIONS = ("1.33", kubernetes_validate.latest_version())
LONGEST_STOP_SECONDS = 8
DEVICES = 200
WAIT_SECONDS = 20


class DeployChecks(Checks):
    """The same, with the rules of schedulers."""

    def check_retries(self, name, is_retried, others):
        """Which exit codes are retried. `others`: whether codes that kvs-fleet does not document are."""
        self.check(f"{name}: retried exit codes", {code for code in DOCUMENTED if is_retried(code)}, RETRIED)
        undocumented = set(range(256)) - set(DOCUMENTED)
        expected = undocumented if others else set()
        self.check(f"{name}: other exit codes", {code for code in undocumented if is_retried(code)}, expected)


def shards_of(words):
    """N of `--shard auto/N` in a command line, or None."""
    found = re.search(r"--shard[= ]auto/(\d+)", " ".join(words))
    return int(found[1]) if found else None


def merged_shards(text):
    """N of the results that a merge reads."""
    return int(re.search(r"\*-of-(\d+)\.results\.csv", text)[1])


# Kubernetes


def job_of(document):
    if document["kind"] == "CronJob":
        return document["spec"]["jobTemplate"]["spec"]
    return document["spec"] if document["kind"] == "Job" else None


def is_pod_retried(job, code):
    """What the Job controller does with a pod whose container exits with this code, without a disruption."""
    (container,) = job["template"]["spec"]["containers"]
    retries = job.get("backoffLimitPerIndex", job.get("backoffLimit", 6))
    if code == 0 or retries == 0:
        return False
    for rule in job.get("podFailurePolicy", {}).get("rules", []):
        on = rule.get("onExitCodes")
        if on is None or on.get("containerName", container["name"]) != container["name"]:
            continue
        if (code in on["values"]) == (on["operator"] == "In"):
            return rule["action"] in ("Count", "Ignore")
    return True


def check_kubernetes(checks):
    shards, kinds = {}, []
    for path in sorted((DEPLOY / "kubernetes").glob("*.yaml")):
        text = path.read_text()
        for document in yaml.safe_load_all(text):
            name = f"{path.name} {document['kind']}"
            for version in KUBERNETES_VERSIONS:
                try:
                    kubernetes_validate.validate(document, version, strict=True)
                    problem = None
                except kubernetes_validate.ValidationError as error:
                    problem = f"{'.'.join(map(str, error.path))}: {error.message}"
                checks.check(f"{name}: valid in Kubernetes {version}", problem, None)
            job = job_of(document)
            if job is None:
                continue
            pod = job["template"]["spec"]
            (container,) = pod["containers"]
            command = container.get("command", []) + container.get("args", [])
            check_pod(checks, name, pod, container)
            if path.name == "merge-job.yaml":
                shards[path.name] = merged_shards(text)
                checks.check(f"{name}: retries", job["backoffLimit"], 0)
                continue
            kinds.append(document["kind"])
            check_policy(checks, name, job)
            checks.check(f"{name}: role", pod.get("serviceAccountName"), "kvs-fleet")
            if document["kind"] == "CronJob":
                checks.check(f"{name}: concurrency", document["spec"]["concurrencyPolicy"], "Forbid")
            if job.get("completionMode") == "Indexed":
                shards[path.name] = shards_of(command)
                checks.check(f"{name}: completions", job["completions"], shards[path.name])
    checks.check("kinds of jobs", sorted(kinds), ["CronJob", "Job", "Job"])
    checks.check("Kubernetes: one number of shards", len(set(shards.values())), 1)
    checks.check("Kubernetes: files with shards", sorted(shards), ["indexed-job.yaml", "merge-job.yaml"])


def check_policy(checks, name, job):
    checks.check_retries(name, lambda code: is_pod_retried(job, code), others=True)
    first, *rest = job["podFailurePolicy"]["rules"]
    disruption = {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}
    checks.check(f"{name}: disruptions", first, disruption)
    fail = "FailIndex" if job.get("completionMode") == "Indexed" else "FailJob"
    checks.check(f"{name}: actions", [rule["action"] for rule in rest], [fail])


def check_pod(checks, name, pod, container):
    checks.check(f"{name}: pods are not restarted in place", pod["restartPolicy"], "Never")
    grace = pod.get("terminationGracePeriodSeconds", 30)
    checks.check(f"{name}: time to end", grace > LONGEST_STOP_SECONDS, True)
    security = pod["securityContext"]
    checks.check(f"{name}: not root", (security["runAsNonRoot"], security["runAsUser"]), (True, user_of_image()))
    own = container["securityContext"]
    found = (own["readOnlyRootFilesystem"], own["allowPrivilegeEscalation"], own["capabilities"])
    checks.check(f"{name}: rights", found, (True, False, {"drop": ["ALL"]}))


# AWS Batch


def is_attempt_retried(strategy, code):
    """The first rule that matches decides; an attempt that none matches is retried. No host was lost."""
    if code == 0 or strategy["attempts"] < 2:
        return False
    answer = {"onExitCode": str(code), "onReason": "", "onStatusReason": "Essential container in task exited"}
    for rule in strategy["evaluateOnExit"]:
        patterns = {key: pattern for key, pattern in rule.items() if key != "action"}
        if all(is_match(pattern, answer[key]) for key, pattern in patterns.items()):
            return rule["action"] == "RETRY"
    return True


def is_match(pattern, text):
    return text.startswith(pattern[:-1]) if pattern.endswith("*") else text == pattern


def check_batch(checks):
    model = botocore.session.get_session().get_service_model("batch")
    validator = botocore.validate.ParamValidator()
    files = {"job-definition.json": "RegisterJobDefinition", "submit-array.json": "SubmitJob"}
    requests = {}
    for name, operation in files.items():
        requests[name] = json.loads((DEPLOY / "aws-batch" / name).read_text())
        report = validator.validate(requests[name], model.operation_model(operation).input_shape)
        checks.check(f"{name}: valid for {operation}", report.generate_report(), "")
    definition, submission = requests.values()
    strategy = definition["retryStrategy"]
    checks.check_retries("job-definition.json", lambda code: is_attempt_retried(strategy, code), others=False)
    rules = strategy["evaluateOnExit"]
    checks.check("job-definition.json: a lost host", rules[0], {"onStatusReason": "Host EC2*", "action": "RETRY"})
    # A limit of AWS Batch that the service model does not have.
    checks.check("job-definition.json: at most 5 rules", len(rules) <= 5, True)
    checks.check("submit-array.json: job definition", submission["jobDefinition"], definition["jobDefinitionName"])
    command = submission["containerOverrides"]["command"]
    checks.check("submit-array.json: array size", submission["arrayProperties"]["size"], shards_of(command))
    container = definition["containerProperties"]
    found = (container["user"].split(":")[0], container["privileged"], container["readonlyRootFilesystem"])
    checks.check("job-definition.json: rights", found, (str(user_of_image()), False, True))


# Scripts, run with scripts in place of the programs that they call


class Bench:
    """A folder with stand-ins for programs."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.programs = self.folder / "bin"
        self.programs.mkdir()
        self.calls = self.folder / "calls"

    def stand_in(self, name, body):
        path = self.programs / name
        path.write_text(f"#!/bin/sh\necho \"{name} $*\" >>'{self.calls}'\n{body}\n")
        path.chmod(0o755)

    def environment(self, **variables):
        path = f"{self.programs}:{os.environ['PATH']}"
        return {"PATH": path, **{name: str(value) for name, value in variables.items()}}

    def take_calls(self):
        calls = self.calls.read_text().splitlines() if self.calls.exists() else []
        self.calls.unlink(missing_ok=True)
        return calls

    def run(self, *command, **variables):
        environment = self.environment(**variables)
        return subprocess.run(command, env=environment, capture_output=True, timeout=WAIT_SECONDS, check=False).returncode


def check_slurm(checks):
    array, merge = ((DEPLOY / "slurm" / name).read_text() for name in ("array.sbatch", "merge.sbatch"))
    options = re.findall(r"^#SBATCH (\S+)$", array, re.MULTILINE)
    commands = re.findall(r"^kvs-fleet .*", array, re.MULTILINE)
    count = shards_of(commands)
    checks.check("array.sbatch: range", [option for option in options if "--array" in option], [f"--array=0-{count - 1}"])
    checks.check("merge.sbatch: shards", merged_shards(merge), count)
    (notice,) = (option for option in options if option.startswith("--signal="))
    kind, seconds = notice.removeprefix("--signal=").split("@")
    checks.check("array.sbatch: time to end", (kind, int(seconds) > LONGEST_STOP_SECONDS), ("B:USR1", True))
    script = DEPLOY / "slurm/array.sbatch"
    task = {"SLURM_ARRAY_JOB_ID": 7, "SLURM_ARRAY_TASK_ID": 3}
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(folder)
        bench.stand_in("kvs-fleet", 'exit "$CODE"')
        bench.stand_in("scontrol", "")

        def is_requeued(code, restarts=0):
            found = bench.run("bash", script, "devices.csv", CODE=code, SLURM_RESTART_COUNT=restarts, **task)
            assert found == code, (found, code)
            calls = bench.take_calls()
            assert calls[0].startswith("kvs-fleet provision devices.csv --shard auto/"), calls
            return calls[1:] == ["scontrol requeue 7_3"]

        checks.check_retries("array.sbatch", is_requeued, others=False)
        requeues = [count for count in range(20) if is_requeued(1, restarts=count)]
        checks.check("array.sbatch: retries", requeues, list(range(6)))


def check_drop_folder(checks):
    script = DEPLOY / "drop-folder"
    places = {}
    for code in DOCUMENTED + (137,):
        with tempfile.TemporaryDirectory() as folder:
            bench = Bench(folder)
            bench.stand_in("kvs-fleet", 'case $2 in incoming/a.csv) exit "$CODE" ;; esac')
            incoming = bench.folder / "incoming"
            incoming.mkdir()
            for name in ("a.csv", "b.csv", "c.part"):
                (incoming / name).touch()
            found = bench.run(script, folder, CODE=code)
            checks.check(f"drop-folder: exit code {code}", found, code)
            calls = [f"kvs-fleet provision incoming/{name}.csv --results results/{name}.results.csv" for name in "ab"]
            is_stopped = code in (130, 143)
            checks.check(f"drop-folder: runs after {code}", bench.take_calls(), calls[:1] if is_stopped else calls)
            (place,) = bench.folder.glob("*/a.csv")
            places[code] = place.parent.name
            rest = sorted(str(path.relative_to(bench.folder)) for path in bench.folder.glob("*/[bc].*"))
            expected = ["incoming/b.csv", "incoming/c.part"] if is_stopped else ["done/b.csv", "incoming/c.part"]
            checks.check(f"drop-folder: other files after {code}", rest, expected)
    checks.check("drop-folder: manifests that stay", {code for code, place in places.items() if place == "incoming"},
                 RETRIED | {137})
    checks.check("drop-folder: rejected manifests", {code for code, place in places.items() if place == "rejected"}, {2, 3})
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(folder)
        bench.stand_in("kvs-fleet", 'trap "exit 143" TERM; touch "$2.started"; while :; do sleep 0.05; done')
        (bench.folder / "incoming").mkdir()
        (bench.folder / "incoming/a.csv").touch()
        process = subprocess.Popen([script, folder], env=bench.environment(), stderr=subprocess.DEVNULL)
        end = time.monotonic() + WAIT_SECONDS
        while not (bench.folder / "incoming/a.csv.started").exists() and time.monotonic() < end:
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        checks.check("drop-folder: passes SIGTERM on", process.wait(timeout=WAIT_SECONDS), 143)


# systemd


def check_systemd(checks):
    units = {}
    for path in sorted((DEPLOY / "systemd").iterdir()):
        units[path.name] = configparser.ConfigParser(strict=False, interpolation=None, delimiters="=")
        units[path.name].optionxform = str
        units[path.name].read(path)
    name = "kvs-fleet-drop-folder.service"
    service = units[name]["Service"]
    prevented = {int(code) for code in service["RestartPreventExitStatus"].split()}
    successes = {0} | {int(code) for code in service.get("SuccessExitStatus", "").split()}
    checks.check(f"{name}: restarts", service["Restart"], "on-failure")
    checks.check_retries(name, lambda code: code not in prevented | successes, others=True)
    checks.check(f"{name}: signals", service["KillMode"], "mixed")
    checks.check(f"{name}: time to end", int(service["TimeoutStopSec"]) > LONGEST_STOP_SECONDS, True)
    folder = shlex.split(service["ExecStart"])[1]
    watched = units["kvs-fleet-drop-folder.path"]["Path"]["PathExistsGlob"]
    checks.check(f"{name}: folder", (watched, service["ReadWritePaths"]), (f"{folder}/incoming/*.csv", folder))


# The image


def instructions():
    """Pairs of an instruction of the Dockerfile and its arguments."""
    text = re.sub(r"^#.*\n", "", (DEPLOY / "Dockerfile").read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    return [tuple(line.split(maxsplit=1)) for line in text.splitlines() if line.strip()]


def user_of_image():
    return int([arguments for name, arguments in instructions() if name == "USER"][-1].split(":")[0])


def check_image(checks):
    found = instructions()
    stages = [index for index, (name, _) in enumerate(found) if name == "FROM"]
    checks.check("Dockerfile: stages", len(stages), 2)
    build, final = found[: stages[-1]], found[stages[-1] :]
    copied = [arguments.split()[:-1] for name, arguments in build if name == "COPY"]
    checks.check("Dockerfile: the committed Cargo.lock", any("Cargo.lock" in files for files in copied), True)
    builds = [arguments for name, arguments in build if name == "RUN" and "cargo build" in arguments]
    checks.check("Dockerfile: locked dependencies", ["--locked" in line for line in builds], [True])
    checks.check("Dockerfile: not root", user_of_image() > 0, True)
    entry = [json.loads(arguments) for name, arguments in final if name == "ENTRYPOINT"]
    checks.check("Dockerfile: entry point", entry, [["kvs-fleet"]])
    roots = [arguments for name, arguments in final if name == "RUN" and "ca-certificates" in arguments]
    checks.check("Dockerfile: certificates", len(roots), 1)
    version = re.match(r"rust:(\d+)\.(\d+)", build[0][1])
    least = tomllib.loads((ROOT / "Cargo.toml").read_text())["package"]["rust-version"].split(".")
    is_new_enough = tuple(map(int, version.groups())) >= tuple(map(int, least[:2]))
    checks.check("Dockerfile: Rust is new enough", is_new_enough, True)
    sources = [file for files in copied for file in files]
    sources += [arguments.split()[-2] for name, arguments in final if name == "COPY" and "--from" not in arguments]
    listed = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    allowed = {line[1:] for line in listed if line.startswith("!")}
    checks.check("Dockerfile.dockerignore: what is copied", allowed, set(sources))
    checks.check("Dockerfile: its files exist", [file for file in sources if not (ROOT / file).exists()], [])
    with tempfile.TemporaryDirectory() as folder:
        for file in {file for files in copied for file in files}:
            os.symlink(ROOT / file, pathlib.Path(folder) / file)
        done = subprocess.run(["cargo", "metadata", "--no-deps", "--offline", "--format-version=1"], cwd=folder,
                              capture_output=True, text=True, check=False)
        checks.check("Dockerfile: Cargo finds all targets", done.stderr if done.returncode else "", "")
    others = ("Dockerfile", "compose.yaml")
    files = [path.read_text() for path in DEPLOY.rglob("*") if path.is_file() and path.name not in others]
    images = {image for text in files for image in re.findall(r'"?image"?: "?([^\s"]+:[^\s"]+)', text)}
    checks.check("one image everywhere", images, {"registry.example/kvs-fleet:0.1.0"})


# The quota server

QUOTA_SERVER = DEPLOY / "quota-server"


def check_quota_server(checks):
    (service,) = yaml.safe_load((QUOTA_SERVER / "compose.yaml").read_text())["services"].values()
    (volume,) = service["volumes"]
    (ports,) = service["ports"]
    checks.check("compose.yaml: rights", (service["user"].split(":")[0] != "0", service["read_only"], service["cap_drop"]),
                 (True, True, ["ALL"]))
    checks.check("compose.yaml: only this computer by default", ports.startswith("${QUOTA_SERVER_ADDRESS:-127.0.0.1}:"), True)
    lines = (QUOTA_SERVER / "valkey.conf").read_text().splitlines()
    settings = dict(line.split(maxsplit=1) for line in lines if line and not line.startswith("#"))
    folders = {str(pathlib.PurePosixPath(path).parent) for path in settings.values() if path.startswith("/")}
    checks.check("valkey.conf: its files are in the mounted folder", folders, {volume["target"]})
    scripts = [path.read_text() for path in (ROOT / "src/quota_server").glob("*.lua")]
    called = {name.lower() for script in scripts for name in re.findall(r"redis\.p?call\('(\w+)'", script)}
    first, second = (QUOTA_SERVER / "users.acl").read_text().splitlines()
    checks.check("users.acl: no other user", first, "user default off")
    checks.check("users.acl: commands", set(re.findall(r"\+(\S+)", second)), called | {"evalsha", "script|load"})
    checks.check("users.acl: nothing else", " -@all " in second and re.findall(r"[~&%]\S+", second), ["~kvs-fleet:1:*"])


def run_quota_server(folder, password):
    """Starts a server with these settings, without TLS. Returns it and its URL, or None if none is installed."""
    program = shutil.which("valkey-server") or shutil.which("redis-server")
    if program is None:
        return None
    users = (QUOTA_SERVER / "users.acl").read_text()
    digest = hashlib.sha256(password.encode()).hexdigest()
    (folder / "users.acl").write_text(users.replace("PASSWORD_SHA256", digest))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    overrides = ["--port", str(port), "--tls-port", "0", "--aclfile", str(folder / "users.acl"), "--dir", str(folder)]
    server = subprocess.Popen([program, QUOTA_SERVER / "valkey.conf", *overrides], stdout=subprocess.DEVNULL)
    end = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < end:
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.02)
    return server, f"redis://kvs-fleet@127.0.0.1:{port}"


def check_shared_quota(checks, program):
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as files:
        volume = Folder(folder, *program)
        found = run_quota_server(pathlib.Path(files), "secret")
        if found is None:
            print("skipped: neither Valkey nor Redis is installed")
            return
        server, url = found
        try:
            variables = {"KVS_FLEET_REGION": "eu-central-1", "KVS_FLEET_QUOTA_SERVER": url,
                         "KVS_FLEET_QUOTA_SERVER_PASSWORD": "secret"}
            commands = [["kvs-fleet", "provision", "devices.csv", "--shard", f"{number}/2"] for number in (1, 2)]
            with concurrent.futures.ThreadPoolExecutor() as threads:
                runs = list(threads.map(lambda command: volume.run(command, variables, folder), commands))
        finally:
            server.terminate()
            server.wait(timeout=WAIT_SECONDS)
        checks.check("quota-server: two shards run", runs, [(0, []), (0, [])])
        devices = [device for number in (1, 2) for device in volume.with_channel(f"devices.{number}-of-2.results.csv")]
        checks.check("quota-server: results", sorted(devices), volume.devices)


# The commands, with the real program


class Folder:
    """A volume with a manifest, and the program."""

    def __init__(self, folder, binary, url):
        self.folder = pathlib.Path(folder)
        (self.folder / "bin").mkdir()
        (self.folder / "bin/kvs-fleet").symlink_to(binary)
        self.devices = [f"CAM-{number:04}" for number in range(1, DEVICES + 1)]
        (self.folder / "devices.csv").write_text("\n".join(["device_id", *self.devices, ""]))
        self.variables = {"PATH": f"{self.folder / 'bin'}:{DEPLOY}:{os.environ['PATH']}", "AWS_EC2_METADATA_DISABLED": "true",
                          "KVS_FLEET_ENDPOINT_URL": url}

    def run(self, command, variables, directory=None):
        """The exit code, and the warnings and errors."""
        words = [re.sub(r"/(data|manifest)\b", str(self.folder), word) for word in command]
        # The emulator's account.
        environment = {**variables, **self.variables, "KVS_FLEET_ACCOUNT": "0" * 12}
        words[0] = shutil.which(words[0], path=environment["PATH"])
        done = subprocess.run(words, env=environment, cwd=directory, capture_output=True, text=True, timeout=WAIT_SECONDS,
                              check=False)
        unexpected = [line for line in done.stderr.splitlines() if re.match("(warning|error): (?!NOT AWS)", line)]
        return done.returncode, unexpected

    def with_channel(self, name):
        """The devices with a channel in a results file, in its order."""
        with open(self.folder / name, newline="") as file:
            rows = list(csv.DictReader(file))
        return [row["device_id"] for row in rows if row["channel_arn"]]


def check_commands(checks, binary):
    help_text = subprocess.run([binary, "provision", "--help"], capture_output=True, text=True, check=True).stdout
    if "--shard" not in help_text:
        print("skipped: this build has no --shard")
        return
    documents = {}
    for path in (DEPLOY / "kubernetes").glob("*.yaml"):
        for document in yaml.safe_load_all(path.read_text()):
            documents[path.name, document["kind"]] = document
    settings = documents["common.yaml", "ConfigMap"]["data"]
    command = {}
    for (file, _), document in documents.items():
        job = job_of(document)
        if job is not None:
            (container,) = job["template"]["spec"]["containers"]
            command[file] = container.get("command", ["kvs-fleet"]) + container.get("args", [])
    emulator = subprocess.Popen([binary, "emulator", "--listen", "127.0.0.1:0", "--rate", "10000", "--burst", "10000"],
                                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        url = emulator.stdout.readline().strip()
        with tempfile.TemporaryDirectory() as folder:
            volume = Folder(folder, binary, url)
            checks.check("job.yaml: runs", volume.run(command["job.yaml"], settings), (0, []))
            checks.check("job.yaml: results", volume.with_channel("devices.results.csv"), volume.devices)
        with tempfile.TemporaryDirectory() as folder:
            volume = Folder(folder, binary, url)
            incoming = volume.folder / "incoming"
            incoming.mkdir()
            (volume.folder / "devices.csv").rename(incoming / "devices.csv")
            checks.check("cronjob.yaml: runs", volume.run(command["cronjob.yaml"], settings), (0, []))
            checks.check("cronjob.yaml: results", volume.with_channel("results/devices.results.csv"), volume.devices)
        check_shards(checks, (binary, url), "indexed-job.yaml", command["indexed-job.yaml"], settings,
                     "JOB_COMPLETION_INDEX", command["merge-job.yaml"])
        batch = json.loads((DEPLOY / "aws-batch/submit-array.json").read_text())["containerOverrides"]["command"]
        definition = json.loads((DEPLOY / "aws-batch/job-definition.json").read_text())["containerProperties"]
        variables = {pair["name"]: pair["value"] for pair in definition["environment"]}
        check_shards(checks, (binary, url), "submit-array.json", ["kvs-fleet", *batch], variables,
                     "AWS_BATCH_JOB_ARRAY_INDEX", command["merge-job.yaml"])
        check_shared_quota(checks, (binary, url))
    finally:
        emulator.send_signal(signal.SIGINT)
        emulator.wait(timeout=WAIT_SECONDS)


def check_shards(checks, program, name, command, variables, index_variable, merge):
    with tempfile.TemporaryDirectory() as folder:
        volume = Folder(folder, *program)
        found = [volume.run(command, {**variables, index_variable: str(index)}) for index in range(shards_of(command))]
        checks.check(f"{name}: runs", [answer for answer in found if answer != (0, [])], [])
        checks.check(f"{name}: merge", volume.run(merge, {}), (0, []))
        checks.check(f"{name}: results", volume.with_channel("devices.results.csv"), volume.devices)


def main():
    if len(sys.argv) != 2:
        raise SystemExit(f"usage: {sys.argv[0]} PATH_OF_KVS_FLEET")
    checks = DeployChecks()
    for part in (check_kubernetes, check_batch, check_slurm, check_drop_folder, check_systemd, check_image, check_quota_server):
        part(checks)
    check_commands(checks, pathlib.Path(sys.argv[1]).resolve())
    print(f"{checks.passed} passed, {checks.failed} failed")
    return 1 if checks.failed else 0


if __name__ == "__main__":
    sys.exit(main())
