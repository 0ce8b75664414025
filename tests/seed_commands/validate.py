#!/usr/bin/env python3
"""Holds every answer of the site's AWS endpoint against botocore's service models.

Each operation that the site answers is called by botocore itself; before botocore parses the answer, its bytes are read by a
walk of our own that knows nothing but the model: a member that the model does not have, a required one that is not there, a
value that is none of its shape, or an enumeration's value that the model does not list is reported. Refusals are provoked
too: their codes and statuses must be the model's own, or one of the errors that AWS documents as common to all actions.
"""

import argparse
import datetime
import importlib
import json
import os
import re
import sys
import time
import xml.etree.ElementTree as ElementTree


def botocore(name):
    """A module of botocore: on its own, or the one that awscli brings along."""
    try:
        return importlib.import_module("botocore" + name)
    except ModuleNotFoundError:
        return importlib.import_module("awscli.botocore" + name)


session_module, parsers, exceptions = botocore(".session"), botocore(".parsers"), botocore(".exceptions")

# https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/CommonErrors.html, and what the JSON services call the same.
COMMON = {
    "AccessDenied", "AccessDeniedException", "ExpiredToken", "ExpiredTokenException", "IncompleteSignature",
    "InvalidAction", "InvalidClientTokenId", "InvalidParameterCombination", "InvalidParameterValue",
    "InvalidQueryParameter", "MalformedQueryString", "MissingAction", "MissingAuthenticationToken", "MissingParameter",
    "OptInRequired", "RequestExpired", "ServiceUnavailable", "SignatureDoesNotMatch", "ThrottlingException",
    "UnrecognizedClientException", "ValidationError", "ValidationException",
}


class Walk:
    """Reads one answer by its shape and collects what is wrong with it."""

    def __init__(self, operation):
        self.operation, self.problems, self.members = operation, [], 0

    def problem(self, path, what):
        self.problems.append(f"{self.operation}: {path}: {what}")

    def scalar(self, shape, value, path):
        self.members += 1
        kind = shape.type_name
        if kind == "string" and isinstance(value, str):
            if getattr(shape, "enum", None) and value not in shape.enum:
                self.problem(path, f"{value!r} is none of {', '.join(shape.enum)}")
            return
        fits = {
            "string": False,
            "boolean": isinstance(value, bool),
            "integer": isinstance(value, int) and not isinstance(value, bool),
            "long": isinstance(value, int) and not isinstance(value, bool),
            "float": isinstance(value, (int, float)) and not isinstance(value, bool),
            "double": isinstance(value, (int, float)) and not isinstance(value, bool),
            "timestamp": isinstance(value, (int, float, datetime.datetime)) and not isinstance(value, bool),
            "blob": isinstance(value, (str, bytes)),
        }
        if not fits.get(kind, False):
            self.problem(path, f"{value!r} is no {kind}")

    def required(self, shape, present, path):
        for name in shape.required_members:
            if name not in present:
                self.problem(path, f"the required member {name} is missing")

    # JSON and CBOR: the same values, written differently.

    def value(self, shape, value, path):
        if value is None:
            self.problem(path, "null")
        elif shape.type_name == "structure":
            if not isinstance(value, dict):
                return self.problem(path, f"{value!r} is no structure")
            known = {member.serialization.get("name", name): name for name, member in shape.members.items()}
            for name, inner in value.items():
                if name not in known:
                    self.problem(path, f"the member {name} is unknown")
                else:
                    self.value(shape.members[known[name]], inner, f"{path}.{name}")
            self.required(shape, {known.get(name) for name in value}, path)
        elif shape.type_name == "list":
            if not isinstance(value, list):
                return self.problem(path, f"{value!r} is no list")
            for index, inner in enumerate(value):
                self.value(shape.member, inner, f"{path}[{index}]")
        elif shape.type_name == "map":
            if not isinstance(value, dict):
                return self.problem(path, f"{value!r} is no map")
            for name, inner in value.items():
                self.value(shape.value, inner, f"{path}[{name}]")
        else:
            self.scalar(shape, value, path)
        return None

    # Query's XML.

    def element(self, shape, element, path):
        if shape.type_name == "structure":
            known = {self.name_of(name, member): name for name, member in shape.members.items()}
            seen = set()
            for inner in element:
                tag = bare(inner.tag)
                if tag not in known:
                    self.problem(path, f"the member {tag} is unknown")
                    continue
                member = shape.members[known[tag]]
                if tag in seen and not member.serialization.get("flattened"):
                    self.problem(path, f"the member {tag} is there twice")
                seen.add(tag)
                self.element(member, inner, f"{path}.{tag}")
            self.required(shape, {known[tag] for tag in seen}, path)
        elif shape.type_name == "list":
            wanted = shape.member.serialization.get("name", "member")
            for index, inner in enumerate(element):
                if bare(inner.tag) != wanted:
                    self.problem(path, f"an item is called {bare(inner.tag)}, not {wanted}")
                self.element(shape.member, inner, f"{path}[{index}]")
        else:
            self.scalar(shape, self.text(shape, element.text or "", path), path)

    @staticmethod
    def name_of(name, member):
        return member.serialization.get("name", name)

    def text(self, shape, text, path):
        kind = shape.type_name
        if kind == "boolean":
            return {"true": True, "false": False}.get(text, text)
        if kind in ("integer", "long"):
            return int(text) if re.fullmatch(r"-?[0-9]+", text) else text
        if kind in ("float", "double"):
            return float(text) if re.fullmatch(r"-?[0-9.]+", text) else text
        if kind == "timestamp":
            if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", text):
                return text
            return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
        return text


def bare(tag):
    """A tag without its namespace."""
    return tag.rsplit("}", 1)[-1]


def read(walk, model, protocol, body):
    """Reads the answer of a call that went well."""
    shape = model.output_shape
    if protocol == "query":
        root = ElementTree.fromstring(body)
        if bare(root.tag) != f"{model.name}Response":
            walk.problem("$", f"the answer is called {bare(root.tag)}")
        namespace = model.service_model.metadata.get("xmlNamespace")
        if namespace and not root.tag.startswith("{" + namespace + "}"):
            walk.problem("$", f"the namespace is not {namespace}")
        if root.find("{*}ResponseMetadata/{*}RequestId") is None:
            walk.problem("$", "there is no request id")
        wrapper = shape.serialization.get("resultWrapper") if shape else None
        result = root.find("{*}" + wrapper) if wrapper else None
        if wrapper and result is None:
            walk.problem("$", f"there is no {wrapper}")
        elif wrapper:
            walk.element(shape, result, "$")
        return
    if protocol == "smithy-rpc-v2-cbor":
        parser = parsers.BaseCBORParser()
        value = parser.parse_data_item(parser.get_peekable_stream_from_bytes(body))
    else:
        value = json.loads(body)
    if shape is not None:
        walk.value(shape, value, "$")


class Site:
    """Calls the site with botocore and walks every answer."""

    def __init__(self, profile):
        self.session = session_module.Session(profile=profile)
        self.address = os.environ["AWS_ENDPOINT_URL"]
        self.clients, self.raw = {}, None
        self.problems, self.answers, self.errors, self.members, self.operations = [], 0, 0, 0, set()

    def client(self, service):
        if service not in self.clients:
            client = self.session.create_client(service, region_name="us-east-1", endpoint_url=self.address)
            client.meta.events.register("before-parse.*.*", self.keep)
            self.clients[service] = client
        return self.clients[service]

    def keep(self, response_dict, **_):
        self.raw = response_dict

    def call(self, service, operation, **parameters):
        """Calls an operation that must go well; answers what botocore made of it."""
        client = self.client(service)
        model = client.meta.service_model.operation_model(operation)
        answer = client._make_api_call(operation, parameters)
        walk = Walk(f"{service}:{operation}")
        read(walk, model, protocol(client), self.raw["body"])
        self.answers += 1
        self.members += walk.members
        self.operations.add((service, operation))
        self.problems += walk.problems
        return answer

    def refused(self, service, operation, code, **parameters):
        """Calls an operation that must be refused, with that code, in the model's spelling."""
        client = self.client(service)
        model = client.meta.service_model.operation_model(operation)
        self.errors += 1
        name = f"{service}:{operation}"
        try:
            client._make_api_call(operation, parameters)
        except exceptions.ClientError as error:
            said, status = error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]
        else:
            self.problems.append(f"{name}: was not refused, expected {code}")
            return
        if said != code:
            self.problems.append(f"{name}: refused with {said}, expected {code}")
        modelled = {}
        for shape in model.error_shapes:
            about = shape.metadata.get("error", {})
            modelled[about.get("code", shape.name)] = about.get("httpStatusCode", 400)
        if said in modelled:
            if status != modelled[said]:
                self.problems.append(f"{name}: {said} comes with {status}, the model says {modelled[said]}")
        elif said not in COMMON:
            self.problems.append(f"{name}: {said} is neither in the model nor common")

    def until(self, what, done):
        """Waits until something is so."""
        for _ in range(400):
            if done():
                return
            time.sleep(0.1)
        self.problems.append(f"{what}: did not happen")


def protocol(client):
    """The protocol that botocore has chosen for a client."""
    chosen = getattr(client.meta.service_model, "resolved_protocol", None)
    return chosen or client.meta.service_model.metadata["protocol"]


def check_rds(site, cluster):
    """RDS: what looks, what changes, and what is refused."""
    described = site.call("rds", "DescribeDBClusters", DBClusterIdentifier=cluster)["DBClusters"][0]
    members = {member["IsClusterWriter"]: member["DBInstanceIdentifier"] for member in described["DBClusterMembers"]}
    writer, reader, group = members[True], members[False], described["DBClusterParameterGroup"]
    by_cluster = [{"Name": "db-cluster-id", "Values": [cluster]}]
    instances = site.call("rds", "DescribeDBInstances", Filters=by_cluster)["DBInstances"]
    site.call("rds", "DescribeDBClusters")
    site.call("rds", "DescribeDBClusterParameterGroups")
    for source, kind in ((cluster, "db-cluster"), (writer, "db-instance"), (reader, "db-instance")):
        site.call("rds", "DescribeEvents", SourceIdentifier=source, SourceType=kind, Duration=60)
    page = site.call("rds", "DescribeDBClusterParameters", DBClusterParameterGroupName=group, MaxRecords=50)
    site.call("rds", "DescribeDBClusterParameters", DBClusterParameterGroupName=group, Marker=page["Marker"])

    def available():
        now = site.call("rds", "DescribeDBClusters", DBClusterIdentifier=cluster)["DBClusters"][0]["Status"]
        all_instances = site.call("rds", "DescribeDBInstances", Filters=by_cluster)["DBInstances"]
        return now == "available" and all(one["DBInstanceStatus"] == "available" for one in all_instances)

    site.until("the cluster settles", available)
    snapshot = f"{cluster}-validated"
    create = {"DBClusterIdentifier": cluster, "DBClusterSnapshotIdentifier": snapshot}
    site.call("rds", "CreateDBClusterSnapshot", **create)
    site.refused("rds", "CreateDBClusterSnapshot", "DBClusterSnapshotAlreadyExistsFault", **create)
    only = {"DBClusterSnapshotIdentifier": snapshot}
    site.refused("rds", "DeleteDBClusterSnapshot", "InvalidDBClusterSnapshotStateFault", **only)
    parameter = {"ParameterName": "log_temp_files", "ParameterValue": "0", "ApplyMethod": "immediate"}
    change = {"DBClusterParameterGroupName": group, "Parameters": [parameter]}
    site.call("rds", "ModifyDBClusterParameterGroup", **change)
    static = [dict(parameter, ParameterName="max_connections", ParameterValue="500")]
    site.refused("rds", "ModifyDBClusterParameterGroup", "InvalidParameterCombination", **dict(change, Parameters=static))
    default = dict(change, DBClusterParameterGroupName="default.aurora-postgresql16")
    site.refused("rds", "ModifyDBClusterParameterGroup", "InvalidDBParameterGroupState", **default)
    site.refused("rds", "ModifyDBClusterParameterGroup", "DBParameterGroupNotFound", **dict(change, DBClusterParameterGroupName="nobody"))
    site.call("rds", "RebootDBInstance", DBInstanceIdentifier=reader)
    site.call("rds", "DescribeDBInstances", DBInstanceIdentifier=reader)
    site.refused("rds", "RebootDBInstance", "InvalidDBInstanceState", DBInstanceIdentifier=reader)
    site.refused("rds", "FailoverDBCluster", "InvalidDBInstanceState", DBClusterIdentifier=cluster, TargetDBInstanceIdentifier=reader)
    site.until("the reader comes back", available)
    site.call("rds", "FailoverDBCluster", DBClusterIdentifier=cluster, TargetDBInstanceIdentifier=reader)
    site.refused("rds", "FailoverDBCluster", "InvalidDBClusterStateFault", DBClusterIdentifier=cluster)
    time.sleep(1)
    site.until("the failover ends", available)
    site.call("rds", "ModifyDBInstance", DBInstanceIdentifier=writer, DBInstanceClass="db.r7g.large", ApplyImmediately=False)
    pending = site.call("rds", "DescribeDBInstances", DBInstanceIdentifier=writer)["DBInstances"][0]
    if pending["PendingModifiedValues"] != {"DBInstanceClass": "db.r7g.large"}:
        site.problems.append(f"rds:ModifyDBInstance: pending is {pending['PendingModifiedValues']}")
    site.call("rds", "ModifyDBInstance", DBInstanceIdentifier=writer, DBInstanceClass=instances[0]["DBInstanceClass"], ApplyImmediately=False)
    site.call("rds", "ModifyDBCluster", DBClusterIdentifier=cluster, DatabaseInsightsMode="standard", ApplyImmediately=True)
    site.refused("rds", "ModifyDBCluster", "InvalidParameterCombination", DBClusterIdentifier=cluster, DatabaseInsightsMode="advanced", PerformanceInsightsRetentionPeriod=7, ApplyImmediately=True)

    def taken():
        return site.call("rds", "DescribeDBClusterSnapshots", **only)["DBClusterSnapshots"][0]["Status"] == "available"

    site.until("the snapshot is taken", taken)
    restored = {"DBClusterIdentifier": f"{cluster}-validated", "SnapshotIdentifier": snapshot, "Engine": "aurora-postgresql"}
    site.call("rds", "RestoreDBClusterFromSnapshot", **restored)
    site.refused("rds", "RestoreDBClusterFromSnapshot", "DBClusterAlreadyExistsFault", **restored)
    site.call("rds", "DeleteDBClusterSnapshot", **only)
    site.refused("rds", "DescribeDBClusterSnapshots", "DBClusterSnapshotNotFoundFault", **only)
    site.refused("rds", "DescribeDBClusters", "DBClusterNotFoundFault", DBClusterIdentifier="nobody")
    site.refused("rds", "DescribeDBInstances", "DBInstanceNotFound", DBInstanceIdentifier="nobody")
    site.refused("rds", "DescribeDBInstances", "InvalidParameterValue", MaxRecords=7)
    site.refused("rds", "DescribeEvents", "InvalidParameterCombination", SourceIdentifier=writer)
    site.refused("rds", "DescribeDBEngineVersions", "InvalidAction")
    return writer, next(one["DbiResourceId"] for one in instances if one["DBInstanceIdentifier"] == writer)


def check_others(site, cluster, infrastructure, partition, instance, resource):
    """The services beside RDS."""
    site.call("sts", "GetCallerIdentity")
    stack = f"{infrastructure}-{partition}-AuroraDBCluster"
    site.call("cloudformation", "DescribeStacks")
    site.call("cloudformation", "ListStacks")
    site.call("cloudformation", "DescribeStackEvents", StackName=stack)
    for operation in ("DescribeStacks", "DescribeStackEvents"):
        site.refused("cloudformation", operation, "ValidationError", StackName="nobody")
    site.refused("cloudformation", "ContinueUpdateRollback", "ValidationError", StackName=stack)
    secret = f"{infrastructure}-SentryDsn"
    site.call("secretsmanager", "GetSecretValue", SecretId=secret)
    site.call("secretsmanager", "DescribeSecret", SecretId=secret)
    site.refused("secretsmanager", "GetSecretValue", "ResourceNotFoundException", SecretId="nobody")

    now = datetime.datetime.now(datetime.timezone.utc)
    span = {"StartTime": now - datetime.timedelta(minutes=5), "EndTime": now}
    of = {"ServiceType": "RDS", "Identifier": resource}
    for group in ("db.wait_event", "db.wait_event_type", "db.sql_tokenized", "db.user", "db.host", "db.application"):
        query = {"Metric": "db.load.avg", "GroupBy": {"Group": group}}
        site.call("pi", "GetResourceMetrics", MetricQueries=[query], PeriodInSeconds=60, **of, **span)
    load = {"Metric": "db.load.avg", "GroupBy": {"Group": "db.wait_event", "Limit": 25}}
    site.call("pi", "DescribeDimensionKeys", **load, **of, **span)
    query = [{"Metric": "db.load.avg"}]
    site.refused("pi", "GetResourceMetrics", "InvalidArgumentException", MetricQueries=query, PeriodInSeconds=7, **of, **span)
    site.refused("pi", "GetResourceMetrics", "NotAuthorizedException", MetricQueries=query, **dict(of, Identifier="db-NOBODY"), **span)

    metric = {"Namespace": "AWS/RDS", "Dimensions": [{"Name": "DBInstanceIdentifier", "Value": instance}]}
    for name in ("DatabaseConnections", "CPUUtilization", "AuroraReplicaLag", "DBLoad"):
        stat = {"Metric": dict(metric, MetricName=name), "Period": 60, "Stat": "Average"}
        site.call("cloudwatch", "GetMetricData", MetricDataQueries=[{"Id": "m", "MetricStat": stat}], **span)
        site.call("cloudwatch", "GetMetricStatistics", MetricName=name, Period=60, Statistics=["Average", "Maximum"], **metric, **span)
    site.call("cloudwatch", "GetMetricStatistics", MetricName="CPUUtilization", Period=60, ExtendedStatistics=["p95"], **metric, **span)
    site.call("cloudwatch", "ListMetrics", Namespace="AWS/RDS")
    site.refused("cloudwatch", "GetMetricStatistics", "InvalidParameterValue", MetricName="DBLoad", Period=90, Statistics=["Average"], **metric, **span)

    group = f"/aws/rds/cluster/{cluster.lower()}/postgresql"
    site.call("logs", "DescribeLogGroups", logGroupNamePrefix="/aws/rds/")
    streams = site.call("logs", "DescribeLogStreams", logGroupName=group)["logStreams"]
    site.call("logs", "FilterLogEvents", logGroupName=group, limit=50)
    for stream in streams:
        page = site.call("logs", "GetLogEvents", logGroupName=group, logStreamName=stream["logStreamName"], limit=2)
        site.call("logs", "GetLogEvents", logGroupName=group, logStreamName=stream["logStreamName"], limit=2, nextToken=page["nextBackwardToken"])
    site.refused("logs", "FilterLogEvents", "ResourceNotFoundException", logGroupName="nobody")
    site.refused("logs", "GetLogEvents", "ResourceNotFoundException", logGroupName=group, logStreamName="nobody")
    site.refused("logs", "FilterLogEvents", "InvalidParameterException", logGroupName=group, filterPattern="{ $.x = 1 }")


def prove(site):
    """Shows the walk answers that are wrong: it must see all of it, or its silence means nothing."""
    model = site.client("rds").meta.service_model.operation_model("DescribeDBClusters")
    text = (
        '<DescribeDBClustersResponse xmlns="http://rds.amazonaws.com/doc/2014-10-31/"><DescribeDBClustersResult>'
        "<DBClusters><DBCluster><Statuss>x</Statuss><Port>many</Port><MultiAZ>yes</MultiAZ></DBCluster></DBClusters>"
        "</DescribeDBClustersResult><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></DescribeDBClustersResponse>"
    )
    wrong = Walk("proof")
    read(wrong, model, "query", text.encode())
    model = site.client("cloudformation").meta.service_model.operation_model("DescribeStacks")
    stack = {"StackId": "x", "StackStatus": "DONE", "CreationTime": "yesterday", "Colour": "red"}
    wrong.value(model.output_shape, {"Stacks": [stack]}, "$")
    # Unknown, no integer, no boolean; no such status, no moment, unknown, and StackName is missing.
    if len(wrong.problems) != 7:
        site.problems.append(f"the walk does not see what is wrong: {wrong.problems}")


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    for name in ("profile", "cluster", "infrastructure", "partition"):
        arguments.add_argument(f"--{name}", required=True)
    given = arguments.parse_args()
    site = Site(given.profile)
    prove(site)
    writer, resource = check_rds(site, given.cluster)
    check_others(site, given.cluster, given.infrastructure, given.partition, writer, resource)
    for problem in sorted(set(site.problems)):
        print(problem)
    print(
        f"service models: {site.answers} answers of {len(site.operations)} operations with {site.members} values, "
        f"{site.errors} refusals, {len(set(site.problems))} problems"
    )
    return 1 if site.problems else 0


if __name__ == "__main__":
    sys.exit(main())
