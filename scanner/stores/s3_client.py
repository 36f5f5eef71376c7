"""Connections to S3: boto3 for control, obstore for data, credentials from the AWS chain only."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import field
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from detectors.records import dataclass
from scanner.errors import Reason, Unreadable
from scanner.stores import s3_errors

if TYPE_CHECKING:
    from boto3.session import Session
    from botocore.config import Config
    from mypy_boto3_s3 import S3Client
    from obstore.store import ClientConfig, S3Store

CONNECT_SECONDS = 5
READ_SECONDS = 30
ATTEMPTS = 4
REGION = "us-east-1"
"""where nothing names a region; the right one of a bucket is then learned from its first answer"""


@dataclass(slots=True)
class Connection:
    """One bucket as one process sees it. ``client`` speaks to the bucket's own region."""

    session: Session = field(repr=False)
    client: S3Client = field(repr=False)
    bucket: str
    region: str
    endpoint: str
    """what the client calls, ``https://s3.eu-west-1.amazonaws.com``"""
    aws: bool
    """False for an S3-compatible server, whose answers to sub-resources mean less"""
    anonymous: bool
    listing_denied: Unreadable | None = None


def connect(bucket: str, prefix: str, options: Mapping[str, Any]) -> Connection:
    """Finds credentials and region, and asks the bucket for one key.

    Raises ``Unreadable`` when the bucket cannot be reached or does not exist. A denied listing is
    kept for later, since the bucket may still answer questions about its protection.
    """
    from botocore import exceptions as boto

    try:
        session = _session(options)
        connection = _connection(session, bucket, options.get("region"), options)
        try:
            region = _probe(connection, prefix)
        except boto.ClientError as error:
            reason = s3_errors.from_client_error(error)
            if reason.reason is not Reason.ACCESS_DENIED:
                raise _of_bucket(reason) from None
            connection.listing_denied = reason
            region = _region_header(error.response)
        if connection.aws and region and region != connection.region:
            denied = connection.listing_denied
            connection = _connection(session, bucket, region, options)
            connection.listing_denied = denied
    except (boto.BotoCoreError, ValueError) as error:
        if isinstance(error, boto.BotoCoreError):
            raise s3_errors.from_boto(error) from None
        # botocore reports a bad endpoint or region as a plain ValueError
        raise Unreadable(Reason.UNREACHABLE, "the endpoint or region is not valid") from None
    return connection


def _of_bucket(error: Unreadable) -> Unreadable:
    """A 404 without a code from a whole bucket is the bucket's, not an object's."""
    if error.reason is Reason.VANISHED:
        return Unreadable(Reason.NOT_FOUND, "the bucket does not exist")
    return error


def _session(options: Mapping[str, Any]) -> Session:
    import boto3.session
    import botocore.session

    for name, level in (("botocore", logging.WARNING), ("urllib3", logging.ERROR)):
        # below these levels they log addresses and answers, and keys in them can be card numbers
        logging.getLogger(name).setLevel(level)
    core = botocore.session.Session(profile=options.get("profile"))
    # descriptions of the services, a tenth of a second to load: once in a process is enough
    core.register_component("data_loader", _service_descriptions())
    return boto3.session.Session(botocore_session=core)


@cache
def _service_descriptions() -> Any:
    import botocore.session

    return botocore.session.Session().get_component("data_loader")


def client_config(anonymous: bool = False) -> Config:
    """Bounded in time and attempts: a dead endpoint must not stall a scan."""
    from botocore import UNSIGNED
    from botocore.config import Config

    return Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        max_pool_connections=4,
        user_agent_extra="cardtrail",
        # an integer checksum of a whole object says nothing of the range we asked for
        response_checksum_validation="when_required",
        **({"signature_version": UNSIGNED} if anonymous else {}),
    )


def _connection(
    session: Session, bucket: str, region: str | None, options: Mapping[str, Any]
) -> Connection:
    anonymous = bool(options.get("anonymous"))
    client = session.client(
        "s3",
        region_name=region or session.region_name or REGION,
        endpoint_url=options.get("endpoint"),
        config=client_config(anonymous),
    )
    endpoint = client.meta.endpoint_url
    return Connection(
        session=session,
        client=client,
        bucket=bucket,
        region=client.meta.region_name,
        endpoint=endpoint,
        aws=is_aws(endpoint),
        anonymous=anonymous,
    )


def is_aws(endpoint: str) -> bool:
    host = urlsplit(endpoint).hostname or ""
    return host.endswith((".amazonaws.com", ".amazonaws.com.cn", ".amazonaws.eu"))


def _probe(connection: Connection, prefix: str) -> str | None:
    answer = connection.client.list_objects_v2(Bucket=connection.bucket, Prefix=prefix, MaxKeys=1)
    return _region_header(answer)


def _region_header(answer: Mapping[str, Any]) -> str | None:
    headers = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    region = headers.get("x-amz-bucket-region")
    return region if isinstance(region, str) else None


# --- obstore --------------------------------------------------------------------------------------

_runtime_pid: int | None = None


def data_store(connection: Connection) -> S3Store | None:
    """The obstore store for the bucket; None where obstore cannot be used.

    That is a directory bucket (its session tokens are boto3's business) and a process that was
    forked from one that had used obstore: the threads of its runtime are not in the child, and a
    call would wait for them for ever.
    """
    global _runtime_pid
    if connection.bucket.endswith("--x-s3"):
        return None
    if _runtime_pid is None:
        _runtime_pid = os.getpid()
    if _runtime_pid != os.getpid():
        return None
    from obstore.store import S3Store

    endpoint, virtual = _data_endpoint(connection)
    return S3Store(
        connection.bucket,
        config={
            # all set, since obstore would take what is missing from the environment by rules of
            # its own, where AWS_ENDPOINT_URL_S3 outranks ``endpoint``
            "endpoint": endpoint,
            "aws_endpoint_url_s3": endpoint,
            "region": connection.region,
            "virtual_hosted_style_request": virtual,
            "skip_signature": connection.anonymous,
        },
        client_options={
            **_root_certificate(connection.session),
            "allow_http": endpoint.startswith("http://"),
            "connect_timeout": timedelta(seconds=CONNECT_SECONDS),
            "read_timeout": timedelta(seconds=READ_SECONDS),
            "timeout": timedelta(seconds=4 * READ_SECONDS),
            "user_agent": "cardtrail",
        },
        retry_config={
            "max_retries": ATTEMPTS - 1,
            "retry_timeout": timedelta(seconds=2 * READ_SECONDS),
            "backoff": {
                "init_backoff": timedelta(milliseconds=200),
                "max_backoff": timedelta(seconds=5),
                "base": 2,
            },
        },
        credential_provider=None if connection.anonymous else _credentials(connection.session),
    )


def _data_endpoint(connection: Connection) -> tuple[str, bool]:
    """The endpoint for obstore, and whether the bucket is part of its host name.

    AWS gets the bucket in the host name, as boto3 does it, unless a dot in the bucket's name would
    break the certificate; other servers the path, unless the AWS configuration says "virtual".
    """
    parts = urlsplit(connection.endpoint)
    s3_config = getattr(connection.client.meta.config, "s3", None) or {}
    style = s3_config.get("addressing_style")
    if connection.aws:
        virtual = style != "path" and "." not in connection.bucket
    else:
        virtual = style == "virtual"
    if virtual:
        parts = parts._replace(netloc=f"{connection.bucket}.{parts.netloc}")
    return urlunsplit(parts), virtual


def _credentials(session: Session) -> Any:
    from obstore.auth.boto3 import Boto3CredentialProvider

    # boto3 refreshes what has less than ten minutes to live, so what it hands out lives that long
    return Boto3CredentialProvider(session, ttl=timedelta(minutes=10))


def _root_certificate(session: Session) -> ClientConfig:
    """The private certificate authority boto3 would trust (AWS_CA_BUNDLE, ``ca_bundle``)."""
    bundle = session._session.get_config_variable("ca_bundle")
    if not bundle:
        return {}
    try:
        return {"root_certificate": Path(bundle).read_bytes()}
    except OSError:
        return {}
