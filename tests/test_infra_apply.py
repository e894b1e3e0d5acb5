"""The infrastructure applied to moto's server: made, used by a whole run of the pipeline, found unchanged, taken down.

It takes more than a minute in which nearly nothing is computed: the provider waits until S3 has given the same answer
about lifecycle rules ten times. So everything is made once, and the tests look at it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from ops import costs
from potato import lake, snapshot
from tests import aws_run, cloud

STATE, KEY = "cdp-dev-potato-state-test", "potato.tfstate"


@dataclass
class Made:
    """What an apply left: where it ran, its outputs, and what was seen on the way."""

    root: Path
    env: dict[str, str]
    outputs: dict[str, Any]
    second_writer: str
    project: Path
    told: dict[str, str]
    verified: str
    second_plan: subprocess.CompletedProcess[str]

    def client(self, service: str, region: str = "us-east-1") -> Any:
        return client(self.env["AWS_ENDPOINT_URL"], service, region)


def client(address: str, service: str, region: str = "us-east-1") -> Any:
    return boto3.client(
        service,
        region_name=region,
        endpoint_url=address,
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    )


def code(call: Any, **arguments: Any) -> str:
    """Return the code of the error that a call ends with, or nothing."""
    try:
        call(**arguments)
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return ""


def make(root: Path, part: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Do what `make infra.PART` does."""
    script = ["sh", str(root.parent / "terraform.sh"), part]
    return subprocess.run(script, env=env, text=True, capture_output=True, timeout=400, check=False)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    if shutil.which("terraform") is None:
        pytest.skip("Terraform is not installed")
    root = cloud.copy(tmp_path_factory.mktemp("project"))
    for name, text in cloud.EXCEPTIONS.items():
        (root / name).write_text(text)
    with cloud.server() as address:
        env = cloud.environment(address, replication="true", protect="false", alarm_email="team@example.org")
        env |= {"YES": "1", "TF_STATE_BUCKET": STATE, "TF_CLI_ARGS_init": "-backend-config=use_path_style=true"}
        env |= dict.fromkeys(("TF_CLI_ARGS_apply", "TF_CLI_ARGS_destroy"), "-parallelism=40")
        s3 = client(address, "s3")
        s3.create_bucket(Bucket=STATE)
        if reason := cloud.unprovided(make(root, "init", env)):
            pytest.skip(reason)

        log, second_writer = root / "apply.log", ""
        with log.open("w") as stream:
            script = ["sh", str(root.parent / "terraform.sh"), "apply"]
            process = subprocess.Popen(script, env=env, stdout=stream, stderr=stream, start_new_session=True)
            try:
                while process.poll() is None:
                    if not second_writer and s3.list_objects_v2(Bucket=STATE, Prefix=f"{KEY}.tflock")["KeyCount"]:
                        item = {"Bucket": STATE, "Key": f"{KEY}.tflock"}
                        second_writer = code(s3.put_object, Body=b"", IfNoneMatch="*", **item)
                    time.sleep(0.5)
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
        assert process.returncode == 0, log.read_text()

        outputs = cloud.outputs(root, env)
        project = aws_run.project(tmp_path_factory.mktemp("run"))
        access = {name: text for name, text in env.items() if name.startswith("AWS_")}
        told = aws_run.environment(**access | outputs["environment"])
        with cloud.open_to_data(s3, outputs["lake_bucket"], outputs["mlflow_bucket"]):
            aws_run.run(project, told, "dvc", "repro")
            verified = aws_run.run(project, told, "potato", "lake", "verify").stderr

        plan = make(root, "plan", env | {"TF_CLI_ARGS_plan": "-detailed-exitcode"})
        yield Made(root, env, outputs, second_writer, project, told, verified, plan)

        # The provider waits a minute, by the clock, for a queue that moto has deleted at once. So it goes by hand.
        batch = client(address, "batch")
        batch.update_job_queue(jobQueue="cdp-dev-pipeline", state="DISABLED")
        batch.delete_job_queue(jobQueue="cdp-dev-pipeline")
        done = make(root, "destroy", env)
        assert done.returncode == 0, done.stdout + done.stderr
        assert [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]] == [STATE]
        for region in ("us-east-1", "us-west-2"):
            assert client(address, "dynamodb", region).list_tables()["TableNames"] == []
            assert client(address, "logs", region).describe_log_groups()["logGroups"] == []
            assert client(address, "cloudwatch", region).describe_alarms()["MetricAlarms"] == []
            assert client(address, "sns", region).list_topics()["Topics"] == []
        assert client(address, "iam").list_roles()["Roles"] == []
        assert client(address, "iam").list_open_id_connect_providers()["OpenIDConnectProviderList"] == []


def may(made: Made, role: str, action: str, resource: str) -> bool:
    """Tell whether the policy of a role lets an action through, wherever its conditions hold."""
    document = made.client("iam").get_role_policy(RoleName=f"cdp-dev-{role}", PolicyName=f"cdp-dev-{role}")
    effects = set()
    for statement in document["PolicyDocument"]["Statement"]:
        actions, resources = (
            [item] if isinstance(item, str) else item for item in (statement["Action"], statement["Resource"])
        )
        if any(fnmatchcase(action, a) for a in actions) and any(fnmatchcase(resource, r) for r in resources):
            effects.add(statement["Effect"])
    return effects == {"Allow"}


def test_a_second_plan_is_empty(made: Made) -> None:
    assert made.second_plan.returncode == 0, made.second_plan.stdout + made.second_plan.stderr


def test_a_run_puts_its_data_and_ledgers_into_the_lake_that_was_made(made: Made) -> None:
    s3, bucket = made.client("s3"), made.outputs["lake_bucket"]
    assert "all files are the same here and in the lake" in made.verified
    with cloud.open_to_data(s3, bucket):
        body = s3.get_object(Bucket=bucket, Key=snapshot.key("small"))["Body"].read()
        pushed = {file.path: file for file in snapshot.parsed(body, bucket).files}
        for layer in ("bronze", "silver"):
            file = pushed[f"{layer}/ledger.json"]
            there = s3.get_object(Bucket=bucket, Key=file.key)["Body"].read()
            assert json.loads(there) == lake.read_json(made.project / "data" / file.path)
            assert s3.head_object(Bucket=bucket, Key=file.key)["ServerSideEncryption"] == "aws:kms"
    assert {path.split("/")[0] for path in pushed} == set(snapshot.LAYERS)


def test_a_run_puts_its_models_into_the_table_and_the_bucket_that_were_made(made: Made) -> None:
    items = made.client("dynamodb").scan(TableName=made.outputs["mlflow_table"])["Items"]
    runs = [item for item in items if "status" in item and "run_name" in item]
    assert {item["status"]["S"] for item in runs} == {"FINISHED"}
    models = {item["tags"]["M"]["potato.model"]["S"] for item in runs}
    assert models == {"fixed_effects", "mixed_effects", "ols_cluster"}
    s3, bucket = made.client("s3"), made.outputs["mlflow_bucket"]
    keys = [item["Key"] for item in s3.list_objects_v2(Bucket=bucket)["Contents"]]
    assert {key.split("/")[0] for key in keys} == {"experiments", "models"}
    [model] = [key for key in keys if key.startswith("models/fixed_effects/") and key.endswith("/model.json")]
    with cloud.open_to_data(s3, bucket):
        kept = s3.get_object(Bucket=bucket, Key=model)["Body"].read()
    assert kept == (made.project / "data/gold/models/fixed_effects/model.json").read_bytes()


def test_each_stage_sends_its_log_lines_to_the_group_whose_alarms_count_them(made: Made) -> None:
    logs, group = made.client("logs"), made.outputs["log_group"]
    streams = [item["logStreamName"] for item in logs.describe_log_streams(logGroupName=group)["logStreams"]]
    lines = [
        json.loads(event["message"])
        for stream in streams
        for event in logs.get_log_events(logGroupName=group, logStreamName=stream, startFromHead=True)["events"]
    ]
    written = [json.loads(line) for line in (made.project / "runs/latest/logs.jsonl").read_text().splitlines()]
    assert sorted(map(json.dumps, lines)) == sorted(map(json.dumps, written))
    # What the metric filters of modules/observability look for.
    assert [line["study"] for line in lines if line["event"] == "stage ran" and line["stage"] == "gold"] == ["small"]
    assert not any(line["level"] == "error" for line in lines)


def test_the_state_is_in_s3_under_a_lock_that_nobody_else_can_take(made: Made) -> None:
    assert made.second_writer == "PreconditionFailed"
    keys = [item["Key"] for item in made.client("s3").list_objects_v2(Bucket=STATE)["Contents"]]
    assert keys == [KEY]  # and the lock is gone


def test_every_bucket_is_private_versioned_encrypted_and_logged(made: Made) -> None:
    for region in ("us-east-1", "us-west-2"):
        s3 = made.client("s3", region)
        for bucket in s3.list_buckets()["Buckets"]:
            name = bucket["Name"]
            where = s3.get_bucket_location(Bucket=name)["LocationConstraint"] or "us-east-1"
            if name == STATE or where != region:
                continue
            logs = "-logs-" in name
            blocked = s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"]
            assert set(blocked.values()) == {True}
            assert s3.get_bucket_versioning(Bucket=name)["Status"] == "Enabled"
            rule = s3.get_bucket_encryption(Bucket=name)["ServerSideEncryptionConfiguration"]["Rules"][0]
            assert rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == ("AES256" if logs else "aws:kms")
            assert ("LoggingEnabled" in s3.get_bucket_logging(Bucket=name)) is not logs
            policy = json.loads(s3.get_bucket_policy(Bucket=name)["Policy"])
            conditions = [item["Condition"] for item in policy["Statement"] if item["Effect"] == "Deny"]
            assert {"NumericLessThan": {"s3:TlsVersion": "1.2"}} in conditions
            assert {"Bool": {"aws:SecureTransport": "false"}} in conditions


def test_an_object_is_refused_without_tls_and_kept_by_its_versions(made: Made) -> None:
    s3, bucket = made.client("s3"), made.outputs["lake_bucket"]
    item = {"Bucket": bucket, "Key": "elsewhere/part.parquet"}
    assert code(s3.put_object, Body=b"one", **item) == "403"

    with cloud.open_to_data(s3, bucket):
        s3.put_object(Body=b"one", **item)
        s3.put_object(Body=b"two", **item)
        assert code(s3.put_object, Body=b"three", IfNoneMatch="*", **item) == "PreconditionFailed"
        marker = s3.delete_object(**item)["VersionId"]
        assert code(s3.get_object, **item) == "NoSuchKey"
        s3.delete_object(VersionId=marker, **item)
        assert s3.get_object(**item)["Body"].read() == b"two"
        versions = s3.list_object_versions(Bucket=bucket, Prefix=item["Key"])["Versions"]
        read = {s3.get_object(VersionId=version["VersionId"], **item)["Body"].read() for version in versions}
        assert read == {b"one", b"two"}


def test_bronze_alone_moves_to_colder_storage_and_replaced_versions_go(made: Made) -> None:
    rules = made.client("s3").get_bucket_lifecycle_configuration(Bucket=made.outputs["lake_bucket"])["Rules"]
    named = {rule["ID"]: rule for rule in rules}
    assert named["bronze"]["Filter"] == {"Prefix": "bronze/"}
    steps = {step["Days"]: step["StorageClass"] for step in named["bronze"]["Transitions"]}
    assert steps == {30: "STANDARD_IA", 90: "GLACIER"}
    assert named["tidy"]["NoncurrentVersionExpiration"]["NoncurrentDays"] == 90
    assert named["tidy"]["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 7}
    assert "Transitions" not in named["tidy"]


def test_the_table_has_the_keys_of_the_brief_and_takes_a_run(made: Made) -> None:
    dynamodb, name = made.client("dynamodb"), made.outputs["mlflow_table"]
    table = dynamodb.describe_table(TableName=name)["Table"]
    assert name == "cdp-dev-mlflow-backend"
    assert table["KeySchema"] == [
        {"AttributeName": "experiment_id", "KeyType": "HASH"},
        {"AttributeName": "run_uuid", "KeyType": "RANGE"},
    ]
    types = {item["AttributeName"]: item["AttributeType"] for item in table["AttributeDefinitions"]}
    assert types == {"experiment_id": "S", "run_uuid": "S"}
    assert table["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    assert table["SSEDescription"]["SSEType"] == "KMS"
    backups = dynamodb.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
    assert backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED"
    key = {"experiment_id": {"S": "1"}, "run_uuid": {"S": "a"}}
    dynamodb.put_item(TableName=name, Item=key | {"status": {"S": "FINISHED"}})
    assert dynamodb.get_item(TableName=name, Key=key)["Item"]["status"] == {"S": "FINISHED"}
    dynamodb.delete_item(TableName=name, Key=key)


def test_the_second_region_is_told_to_follow_within_15_minutes_and_archives_what_was_replaced(made: Made) -> None:
    for source, replica in (("lake_bucket", "lake"), ("mlflow_bucket", "mlflow")):
        there = made.outputs["replica_buckets"][replica]
        s3 = made.client("s3")
        [rule] = s3.get_bucket_replication(Bucket=made.outputs[source])["ReplicationConfiguration"]["Rules"]
        assert rule["Destination"]["Bucket"] == f"arn:aws:s3:::{there}"
        assert rule["Status"] == "Enabled"
        assert s3.get_bucket_location(Bucket=there)["LocationConstraint"] == "us-west-2"
        [tidy] = made.client("s3", "us-west-2").get_bucket_lifecycle_configuration(Bucket=there)["Rules"]
        assert tidy["NoncurrentVersionTransitions"] == [{"NoncurrentDays": 1, "StorageClass": "GLACIER"}]
        assert tidy["NoncurrentVersionExpiration"]["NoncurrentDays"] > 365
    assert made.outputs["mlflow_table_replica"] == "us-west-2"


def test_a_line_of_the_pipelines_log_is_what_the_alarms_count(made: Made) -> None:
    logs, group = made.client("logs"), made.outputs["log_group"]
    filters = {item["filterName"]: item for item in logs.describe_metric_filters(logGroupName=group)["metricFilters"]}
    assert filters["cdp-dev-errors"]["filterPattern"] == '{ $.level = "error" }'
    alarms = {item["AlarmName"]: item for item in made.client("cloudwatch").describe_alarms()["MetricAlarms"]}
    counted = {(t["metricNamespace"], t["metricName"]) for f in filters.values() for t in f["metricTransformations"]}
    watched = {
        (alarms[name]["Namespace"], alarms[name]["MetricName"])
        for name in ("cdp-dev-pipeline-errors", "cdp-dev-gold-stale")
    }
    assert watched == counted
    topic = made.outputs["alarm_topics"]["us-east-1"]
    assert all(alarm["AlarmActions"] == [topic] for alarm in alarms.values())
    replicas = made.client("cloudwatch", "us-west-2").describe_alarms()["MetricAlarms"]
    assert (len(alarms), len(replicas), len(filters)) == (costs.ALARMS, costs.REPLICA_ALARMS, costs.METRICS)


def test_jobs_run_on_spot_where_no_road_leads_out(made: Made) -> None:
    ec2, batch = made.client("ec2"), made.client("batch")
    [spot] = batch.describe_compute_environments()["computeEnvironments"]
    assert spot["computeResources"]["type"] == "FARGATE_SPOT"
    subnets = ec2.describe_subnets(SubnetIds=spot["computeResources"]["subnets"])["Subnets"]
    assert len({subnet["AvailabilityZone"] for subnet in subnets}) == 2
    assert not any(subnet["MapPublicIpOnLaunch"] for subnet in subnets)
    here = [{"Name": "vpc-id", "Values": [subnets[0]["VpcId"]]}]
    assert ec2.describe_nat_gateways(Filters=here)["NatGateways"] == []
    attached = [{"Name": "attachment.vpc-id", "Values": [subnets[0]["VpcId"]]}]
    assert ec2.describe_internet_gateways(Filters=attached)["InternetGateways"] == []
    endpoints = ec2.describe_vpc_endpoints(Filters=here)["VpcEndpoints"]
    kinds = {
        item["ServiceName"].removeprefix("com.amazonaws.us-east-1."): item["VpcEndpointType"] for item in endpoints
    }
    assert list(kinds.values()).count("Interface") == costs.ENDPOINTS
    assert kinds == {
        "s3": "Gateway",
        "dynamodb": "Gateway",
        "ecr.api": "Interface",
        "ecr.dkr": "Interface",
        "logs": "Interface",
    }
    [job] = batch.describe_job_definitions(status="ACTIVE")["jobDefinitions"]
    assert job["containerProperties"]["image"] == f"{made.outputs['image']}:unreleased"
    told = {item["name"]: item["value"] for item in job["containerProperties"]["environment"]}
    assert told == made.outputs["environment"]


def test_what_github_is_told_is_what_was_made(made: Made) -> None:
    lines = make(made.root, "output", made.env).stdout.splitlines()
    assert f"gh secret set AWS_ROLE_ARN --body {made.outputs['role_arns']['pipeline']}" in lines
    assert f"gh variable set LAKE_BUCKET --body {made.outputs['lake_bucket']}" in lines
    assert "gh variable set AWS_REGION --body us-east-1" in lines
    assert f"gh variable set TF_STATE_BUCKET --body {STATE}" in lines


def test_the_pipeline_reaches_its_data_and_nothing_else(made: Made) -> None:
    lake, artifacts = (f"arn:aws:s3:::{made.outputs[name]}" for name in ("lake_bucket", "mlflow_bucket"))
    table = f"arn:aws:dynamodb:us-east-1:123456789012:table/{made.outputs['mlflow_table']}"
    for action, resource in (
        ("s3:PutObject", f"{lake}/silver/weekly_features/part.parquet"),
        ("s3:ListBucket", lake),
        ("s3:GetObject", f"{artifacts}/experiments/1/model.json"),
        ("dynamodb:Query", table),
        ("logs:PutLogEvents", "arn:aws:logs:us-east-1:123456789012:log-group:/cdp-dev/pipeline:log-stream:a"),
    ):
        assert may(made, "pipeline", action, resource), action
        assert may(made, "job", action, resource), action
    for action, resource in (
        ("s3:PutObject", f"{artifacts}/elsewhere"),
        ("s3:GetObject", f"arn:aws:s3:::{STATE}/{KEY}"),
        ("s3:DeleteObjectVersion", f"{lake}/silver/a"),
        ("s3:PutBucketPolicy", lake),
        ("dynamodb:DeleteTable", table),
        ("dynamodb:GetItem", f"{table}-of-others"),
        ("logs:DeleteLogGroup", "arn:aws:logs:us-east-1:123456789012:log-group:/cdp-dev/pipeline"),
        ("iam:PassRole", "arn:aws:iam::123456789012:role/cdp-dev-job"),
    ):
        assert not may(made, "pipeline", action, resource), action


def test_a_plan_reads_no_data_and_an_apply_cannot_widen_its_own_rights(made: Made) -> None:
    lake, table = (
        f"arn:aws:s3:::{made.outputs['lake_bucket']}",
        "arn:aws:dynamodb:us-east-1:123456789012:table/cdp-dev-mlflow-backend",
    )
    state, role = f"arn:aws:s3:::{STATE}/{KEY}", "arn:aws:iam::123456789012:role/cdp-dev-"
    assert may(made, "plan", "s3:GetBucketPolicy", lake)
    assert may(made, "plan", "s3:GetObject", state)
    for action, resource in (
        ("s3:GetObject", f"{lake}/bronze/a"),
        ("s3:PutObject", state),
        ("s3:PutObject", f"{state}.tflock"),
        ("dynamodb:GetItem", table),
        ("logs:GetLogEvents", "arn:aws:logs:us-east-1:123456789012:log-group:/cdp-dev/pipeline:log-stream:a"),
        ("iam:CreateRole", f"{role}new"),
    ):
        assert not may(made, "plan", action, resource), action
    assert may(made, "apply", "iam:PutRolePolicy", f"{role}job")
    assert may(made, "apply", "s3:PutObject", f"{state}.tflock")
    for action, resource in (
        ("iam:PutRolePolicy", f"{role}apply"),
        ("iam:UpdateAssumeRolePolicy", f"{role}plan"),
        ("iam:PutRolePermissionsBoundary", f"{role}job"),
        ("iam:DeleteRolePermissionsBoundary", f"{role}job"),
        ("iam:CreatePolicyVersion", "arn:aws:iam::123456789012:policy/cdp-dev-boundary"),
        ("iam:PutRolePolicy", "arn:aws:iam::123456789012:role/of-others"),
        ("s3:GetObject", f"{lake}/bronze/a"),
        ("s3:DeleteBucket", "arn:aws:s3:::of-others"),
    ):
        assert not may(made, "apply", action, resource), action


def test_an_apply_can_make_nothing_its_own_by_a_tag(made: Made) -> None:
    document = made.client("iam").get_role_policy(RoleName="cdp-dev-apply", PolicyName="cdp-dev-apply")
    known = []
    for statement in document["PolicyDocument"]["Statement"]:
        actions = [statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"]
        for action in ("ec2:CreateTags", "kms:TagResource", "kms:CreateKey"):
            if statement["Effect"] == "Allow" and any(fnmatchcase(action, pattern) for pattern in actions):
                conditions = statement["Condition"]["StringEquals"].keys()
                assert conditions & {"aws:ResourceTag/Project", "ec2:CreateAction"}, statement["Sid"]
                known.append(action)
    assert sorted(known) == ["ec2:CreateTags", "ec2:CreateTags", "kms:TagResource"]


def test_every_role_has_a_policy_of_a_size_that_aws_takes_and_all_but_two_a_boundary(made: Made) -> None:
    iam, without = made.client("iam"), set()
    for item in iam.list_roles()["Roles"]:
        name = item["RoleName"]
        document = iam.get_role_policy(RoleName=name, PolicyName=name)["PolicyDocument"]
        assert len(json.dumps(document, separators=(",", ":"))) <= 10_240, name
        if "PermissionsBoundary" not in iam.get_role(RoleName=name)["Role"]:
            without.add(name)
    assert without == {"cdp-dev-plan", "cdp-dev-apply"}


def test_what_the_recovery_page_imports_is_what_holds_data(made: Made) -> None:
    """The state's addresses of keys, buckets with data, and the table; of a lost state these come first."""
    page = (Path(__file__).parent.parent / "ops/disaster-recovery.md").read_text(encoding="utf-8")
    imported = set(re.findall(r"^terraform import '?([^' ]+)", page, re.MULTILINE))
    listed = cloud.terraform(made.root, "state", "list", env=made.env).stdout.split()
    kinds = ("aws_kms_key.this", "aws_s3_bucket.this", "aws_dynamodb_table.backend")
    assert imported == {name for name in listed if name.endswith(kinds) and "logs" not in name}


def test_each_exception_for_moto_still_has_its_reason(made: Made) -> None:
    """If this fails, moto has learned something: take the exception out of `cloud.EXCEPTIONS`."""
    replication = made.client("s3").get_bucket_replication(Bucket=made.outputs["lake_bucket"])
    [rule] = replication["ReplicationConfiguration"]["Rules"]
    assert "SourceSelectionCriteria" not in rule
    assert rule.get("DeleteMarkerReplication", {}).get("Status") != "Enabled"
    rules = made.client("ec2").describe_security_group_rules()["SecurityGroupRules"]
    assert not any(item.get("Description", "").startswith("TLS") for item in rules)
    batch = made.client("batch")
    [spot] = batch.describe_compute_environments()["computeEnvironments"]
    resources = {name: spot["computeResources"][name] for name in ("type", "maxvCpus", "subnets", "securityGroupIds")}
    call = {"computeEnvironmentName": "other", "type": "MANAGED", "computeResources": resources}
    assert code(batch.create_compute_environment, **call) == "ClientException"
    dynamodb, table = made.client("dynamodb"), made.outputs["mlflow_table"]
    dynamodb.update_table(TableName=table, ReplicaUpdates=[{"Create": {"RegionName": "us-west-2"}}])
    assert not dynamodb.describe_table(TableName=table)["Table"].get("Replicas")
