#!/usr/bin/env python3
"""Drives `kvs-fleet emulator` with boto3 and the AWS CLI.

    python .ci/interop.py target/release/kvs-fleet

Needs `pip install boto3 awscli` in the Python that runs it. Starts the emulator on a free loopback port, calls every
operation with both clients, ends the emulator with SIGINT. Prints a line for each check; exit code 0 when all passed.
"""

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile

from checks import Checks

REGION = "eu-central-1"
ACCOUNT = "111122223333"
DENIED_ACCOUNT = "444455556666"
CHANNELS = 12
PAGE = 5
WAIT_SECONDS = 60


class Boto3:
    """The operations through boto3. An error is returned as its code."""

    name = "boto3"

    def __init__(self, url):
        import boto3

        self.session = boto3.session.Session(region_name=REGION)
        self.kinesisvideo = self.session.client("kinesisvideo", endpoint_url=url)

    def call(self, operation, **parameters):
        return self._answer(self.kinesisvideo, operation, parameters)

    def list_all(self, prefix):
        pages = self.kinesisvideo.get_paginator("list_signaling_channels").paginate(
            ChannelNameCondition={"ComparisonOperator": "BEGINS_WITH", "ComparisonValue": prefix},
            PaginationConfig={"PageSize": PAGE},
        )
        pages = [page["ChannelInfoList"] for page in pages]
        self.last_pages = [len(page) for page in pages]
        return [channel for page in pages for channel in page]

    def ice(self, endpoint, **parameters):
        client = self.session.client("kinesis-video-signaling", endpoint_url=endpoint)
        return self._answer(client, "get_ice_server_config", parameters)

    def sts(self, url, operation, **parameters):
        return self._answer(self.session.client("sts", endpoint_url=url), operation, parameters)

    def of_session(self, url, credentials):
        """The same client with the credentials of a session."""
        import boto3

        other = Boto3(url)
        other.session = boto3.session.Session(
            credentials["AccessKeyId"], credentials["SecretAccessKey"], credentials["SessionToken"], REGION)
        other.kinesisvideo = other.session.client("kinesisvideo", endpoint_url=url)
        return other

    @staticmethod
    def _answer(client, operation, parameters):
        from botocore.exceptions import ClientError

        try:
            return getattr(client, operation)(**parameters)
        except ClientError as error:
            return error.response["Error"]["Code"]


class AwsCli:
    """The operations through the AWS CLI. An error is returned as its code."""

    name = "aws"

    def __init__(self, url):
        self.url = url
        self.environment = {}
        if importlib.util.find_spec("awscli"):
            self.command = [sys.executable, "-m", "awscli"]
        elif shutil.which("aws"):
            self.command = [shutil.which("aws")]
        else:
            raise SystemExit("the AWS CLI was not found: pip install awscli")

    def call(self, operation, **parameters):
        return self._run("kinesisvideo", operation, self.url, parameters)

    def list_all(self, prefix):
        parameters = {
            "ChannelNameCondition": {"ComparisonOperator": "BEGINS_WITH", "ComparisonValue": prefix}
        }
        extra = ["--page-size", str(PAGE)]
        answer = self._run("kinesisvideo", "list_signaling_channels", self.url, parameters, extra)
        return answer["ChannelInfoList"] if isinstance(answer, dict) else answer

    def ice(self, endpoint, **parameters):
        return self._run("kinesis-video-signaling", "get_ice_server_config", endpoint, parameters)

    def sts(self, url, operation, **parameters):
        return self._run("sts", operation, url, parameters)

    def of_session(self, url, credentials):
        """The same client with the credentials of a session."""
        other = AwsCli(url)
        other.environment = {
            "AWS_ACCESS_KEY_ID": credentials["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": credentials["SecretAccessKey"],
            "AWS_SESSION_TOKEN": credentials["SessionToken"],
        }
        return other

    def _run(self, service, operation, url, parameters, extra=()):
        command = [
            *self.command, service, operation.replace("_", "-"), "--endpoint-url", url, "--output", "json",
            "--cli-input-json", json.dumps(parameters), *extra,
        ]
        environment = {**os.environ, **self.environment}
        done = subprocess.run(command, capture_output=True, text=True, timeout=WAIT_SECONDS, env=environment)
        if done.returncode == 0:
            return json.loads(done.stdout or "{}")
        # An error occurred (CODE) when calling the OPERATION operation: MESSAGE
        _, _, rest = done.stderr.partition("An error occurred (")
        return rest.partition(")")[0] or done.stderr.strip()


def succeeds(answer):
    """The answer without its metadata."""
    return "success" if isinstance(answer, dict) else answer


def drive(checks, client, url):
    """Every operation, in the order of a channel's life."""

    def check(name, found, expected):
        checks.check(f"{client.name}: {name}", found, expected)

    prefix = f"{client.name}-cam-"
    name = f"{prefix}00"
    check("GetCallerIdentity", client.sts(url, "get_caller_identity")["Account"], "000000000000")

    created = client.call(
        "create_signaling_channel",
        ChannelName=name,
        ChannelType="SINGLE_MASTER",
        SingleMasterConfiguration={"MessageTtlSeconds": 30},
        Tags=[{"Key": "line", "Value": "4"}, {"Key": "empty", "Value": ""}],
    )
    arn = created["ChannelARN"]
    check("create gives an ARN", arn.rpartition("/")[0],
          f"arn:aws:kinesisvideo:{REGION}:000000000000:channel/{name}")
    check("create of the same name", client.call("create_signaling_channel", ChannelName=name),
          "ResourceInUseException")
    check("create with a bad TTL", client.call(
        "create_signaling_channel", ChannelName="x", SingleMasterConfiguration={"MessageTtlSeconds": 121},
    ), "InvalidArgumentException")

    info = client.call("describe_signaling_channel", ChannelName=name)["ChannelInfo"]
    check("describe by name", (info["ChannelARN"], info["ChannelStatus"], info["ChannelType"]),
          (arn, "ACTIVE", "SINGLE_MASTER"))
    check("the TTL is as asked", info["SingleMasterConfiguration"], {"MessageTtlSeconds": 30})
    again = client.call("describe_signaling_channel", ChannelARN=arn)["ChannelInfo"]
    check("describe by ARN", again, info)

    for index in range(1, CHANNELS):
        client.call("create_signaling_channel", ChannelName=f"{prefix}{index:02}")
    client.call("create_signaling_channel", ChannelName=f"{client.name}-door")
    listed = [channel["ChannelName"] for channel in client.list_all(prefix)]
    check("list with paging and BEGINS_WITH", listed, [f"{prefix}{i:02}" for i in range(CHANNELS)])
    if hasattr(client, "last_pages"):
        check("the pages are full but the last", client.last_pages, [5, 5, 2])

    check("tag", succeeds(client.call(
        "tag_resource", ResourceARN=arn, Tags=[{"Key": "line", "Value": "5"}, {"Key": "site", "Value": "A b"}],
    )), "success")
    check("untag", succeeds(client.call(
        "untag_resource", ResourceARN=arn, TagKeyList=["empty"],
    )), "success")
    check("list tags", client.call("list_tags_for_resource", ResourceARN=arn).get("Tags"),
          {"line": "5", "site": "A b"})

    update = {"ChannelARN": arn, "SingleMasterConfiguration": {"MessageTtlSeconds": 90}}
    check("update with a wrong version",
          client.call("update_signaling_channel", CurrentVersion="wrong", **update), "VersionMismatchException")
    check("update", succeeds(
        client.call("update_signaling_channel", CurrentVersion=info["Version"], **update)), "success")
    updated = client.call("describe_signaling_channel", ChannelARN=arn)["ChannelInfo"]
    check("the update is there", updated["SingleMasterConfiguration"], {"MessageTtlSeconds": 90})
    check("the version is another", updated["Version"] != info["Version"], True)

    endpoints = client.call(
        "get_signaling_channel_endpoint",
        ChannelARN=arn,
        SingleMasterChannelEndpointConfiguration={"Protocols": ["WSS", "HTTPS"], "Role": "VIEWER"},
    )["ResourceEndpointList"]
    endpoints = {item["Protocol"]: item["ResourceEndpoint"] for item in endpoints}
    check("get endpoint", sorted(endpoints), ["HTTPS", "WSS"])
    servers = client.ice(endpoints["HTTPS"], ChannelARN=arn, ClientId="viewer-1")["IceServerList"]
    check("get ICE servers", any(uri.startswith("turn:") for server in servers for uri in server["Uris"]), True)

    check("delete with a wrong version",
          client.call("delete_signaling_channel", ChannelARN=arn, CurrentVersion="wrong"),
          "VersionMismatchException")
    check("delete", succeeds(client.call(
        "delete_signaling_channel", ChannelARN=arn, CurrentVersion=updated["Version"])), "success")
    check("describe of what is gone", client.call("describe_signaling_channel", ChannelName=name),
          "ResourceNotFoundException")


def drive_accounts(checks, client, url):
    """A role is assumed, and its session creates a channel in its own account."""

    def check(name, found, expected):
        checks.check(f"{client.name}: {name}", found, expected)

    def assume(account, **parameters):
        role = f"arn:aws:iam::{account}:role/line/kvs-fleet"
        return client.sts(url, "assume_role", RoleArn=role, **parameters)

    assumed = assume(ACCOUNT, RoleSessionName="interop", ExternalId="a:b", DurationSeconds=900)
    arn = f"arn:aws:sts::{ACCOUNT}:assumed-role/kvs-fleet/interop"
    check("AssumeRole", assumed["AssumedRoleUser"]["Arn"], arn)
    check("AssumeRole gives a temporary key", assumed["Credentials"]["AccessKeyId"][:4], "ASIA")
    session = client.of_session(url, assumed["Credentials"])
    identity = session.sts(url, "get_caller_identity")
    check("GetCallerIdentity of the session", (identity["Account"], identity["Arn"]), (ACCOUNT, arn))
    check("the UserId is the AssumedRoleId", identity["UserId"], assumed["AssumedRoleUser"]["AssumedRoleId"])

    name = f"{client.name}-of-the-role"
    created = session.call("create_signaling_channel", ChannelName=name)["ChannelARN"]
    check("the session's account is in the ARN", created.rpartition("/")[0],
          f"arn:aws:kinesisvideo:{REGION}:{ACCOUNT}:channel/{name}")
    check("the channel is not in the caller's account", client.call("describe_signaling_channel", ChannelName=name),
          "ResourceNotFoundException")
    check("the channel's ARN is denied to the caller", client.call("describe_signaling_channel", ChannelARN=created),
          "AccessDeniedException")
    check("AssumeRole in a denied account", assume(DENIED_ACCOUNT, RoleSessionName="interop"), "AccessDenied")
    check("AssumeRole with a bad session name", assume(ACCOUNT, RoleSessionName="a b"), "ValidationError")


def quiet_environment(folder):
    """An environment without credentials, configuration or proxy of this machine."""
    for name in list(os.environ):
        if name.startswith(("AWS_", "KVS_FLEET_")) or name.lower().endswith("_proxy"):
            del os.environ[name]
    os.environ.update(
        AWS_ACCESS_KEY_ID="EMULATOR",
        AWS_SECRET_ACCESS_KEY="not-a-secret",
        AWS_DEFAULT_REGION=REGION,
        AWS_EC2_METADATA_DISABLED="true",
        AWS_CONFIG_FILE=os.path.join(folder, "config"),
        AWS_SHARED_CREDENTIALS_FILE=os.path.join(folder, "credentials"),
        AWS_PAGER="",
    )


def end(emulator):
    """Ends the emulator as Ctrl-C does; kills it if it does not end."""
    emulator.send_signal(signal.SIGINT)
    try:
        return emulator.wait(timeout=WAIT_SECONDS)
    except subprocess.TimeoutExpired:
        emulator.kill()
        emulator.wait()
        return "did not end"


def main():
    if len(sys.argv) != 2:
        raise SystemExit(f"usage: {sys.argv[0]} PATH_OF_KVS_FLEET")
    checks = Checks()
    with tempfile.TemporaryDirectory() as folder:
        quiet_environment(folder)
        emulator = subprocess.Popen(
            [sys.argv[1], "emulator", "--listen", "127.0.0.1:0", "--latency", "0ms", "--deny-account", DENIED_ACCOUNT],
            stdout=subprocess.PIPE, text=True,
        )
        try:
            url = emulator.stdout.readline().strip()
            checks.check("the emulator prints its URL", url.startswith("http://127.0.0.1:"), True)
            for client in (Boto3, AwsCli):
                try:
                    drive(checks, client(url), url)
                    drive_accounts(checks, client(url), url)
                except Exception as error:  # An exception is a failed check; the other clients continue.
                    checks.check(f"{client.name}: all operations", repr(error), "no exception")
        finally:
            code = end(emulator)
        checks.check("the emulator ends with exit code 0 on SIGINT", code, 0)
    print(f"{checks.passed} passed, {checks.failed} failed")
    return 1 if checks.failed else 0


if __name__ == "__main__":
    sys.exit(main())
