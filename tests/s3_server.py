"""A local S3 for tests: moto's server on loopback, one a process, started when first asked for.

    with s3_server.environment() as endpoint:      # the AWS variables of moto, nothing else of AWS
        s3_server.bucket("payments", {"a.txt": b"..."})

moto does not enforce policies or the public access block, and answers 404 for buckets called
``logs``, ``kms`` or ``config``.
"""

from __future__ import annotations

import atexit
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_s3 import S3Client

ACCOUNT = "123456789012"
"""the account moto puts everything into"""


@cache
def endpoint() -> str:
    """Starts the server at the first call and gives its ``http://127.0.0.1:port``."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    atexit.register(server.stop)
    host, port = server.get_host_and_port()
    return f"http://{host}:{port}"


def variables() -> dict[str, str]:
    """The environment in which every AWS client of ours talks to the server and to nothing else."""
    return {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing-secret",
        "AWS_SESSION_TOKEN": "testing-token",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_ENDPOINT_URL": endpoint(),
        "NO_PROXY": "127.0.0.1",
    }


@contextmanager
def environment() -> Iterator[str]:
    """Sets ``variables`` and takes every other AWS variable away, for the time of the block."""
    before = dict(os.environ)
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ.update(variables())
    try:
        yield endpoint()
    finally:
        os.environ.clear()
        os.environ.update(before)


def client() -> S3Client:
    import boto3.session

    return boto3.session.Session(
        aws_access_key_id="testing",
        aws_secret_access_key="testing-secret",
        region_name="us-east-1",
    ).client("s3", endpoint_url=endpoint())


def logs_client() -> CloudWatchLogsClient:
    import boto3.session

    return boto3.session.Session(
        aws_access_key_id="testing",
        aws_secret_access_key="testing-secret",
        region_name="us-east-1",
    ).client("logs", endpoint_url=endpoint())


def bucket(name: str, objects: Mapping[str, bytes] | None = None) -> S3Client:
    """A bucket with these objects, made anew if it was there. Gives a client to do more with."""
    s3 = client()
    present = {entry["Name"] for entry in s3.list_buckets()["Buckets"]}
    if name in present:
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=name):
            for entry in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]:
                s3.delete_object(Bucket=name, Key=entry["Key"], VersionId=entry["VersionId"])
        s3.delete_bucket(Bucket=name)
    s3.create_bucket(Bucket=name)
    for key, body in (objects or {}).items():
        s3.put_object(Bucket=name, Key=key, Body=body)
    return s3
