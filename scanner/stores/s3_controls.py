"""Asking a bucket how it is protected: one call a control, every answer kept with its doubt.

Least privilege for all of it: s3:GetBucketPolicy, s3:GetBucketPolicyStatus, s3:GetBucketAcl,
s3:GetBucketOwnershipControls, s3:GetBucketPublicAccessBlock, s3:GetAccountPublicAccessBlock,
s3:GetEncryptionConfiguration, s3:GetBucketVersioning, s3:GetBucketLogging,
s3:GetBucketObjectLockConfiguration. What is not granted becomes *unknown* with the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from detectors.records import dataclass
from scanner.errors import Reason
from scanner.stores import s3_errors

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from scanner.stores.s3_client import Connection


@dataclass(frozen=True, slots=True)
class Answer:
    """``value`` when the bucket told; None with ``unknown`` empty when it told that there is none;
    else ``unknown`` is why we do not know, as the end of a sentence."""

    value: Any = None
    unknown: str = ""


@dataclass(frozen=True, slots=True)
class Controls:
    """Everything asked of one bucket. Values are the inner documents of the S3 API."""

    aws: bool
    policy: Answer
    """the policy as text"""
    policy_status: Answer
    """True when AWS calls the policy public; unknown for a server that is not AWS"""
    acl: Answer
    """list of grants"""
    ownership: Answer
    """``BucketOwnerEnforced``, ``BucketOwnerPreferred`` or ``ObjectWriter``"""
    bucket_block: Answer
    account_block: Answer
    """the Public Access Block of the account that owns the bucket"""
    encryption: Answer
    """list of rules"""
    versioning: Answer
    """the document, with ``Status`` if it was ever turned on"""
    logging: Answer
    """the ``LoggingEnabled`` document"""
    object_lock: Answer
    owner: Answer = Answer(unknown="not asked")
    """the id of the account that owns the bucket"""


def ask(connection: Connection) -> Controls:
    """Never raises. Once the endpoint does not answer, the rest is not asked."""
    asker, account = Asker(connection.bucket), Asker(connection.bucket)
    s3 = connection.client
    not_aws = Answer(unknown="only AWS tells")
    owner = _owner(connection, account) if connection.aws else not_aws
    return Controls(
        aws=connection.aws,
        policy=asker.ask(
            s3.get_bucket_policy, "Policy", "s3:GetBucketPolicy", "NoSuchBucketPolicy"
        ),
        policy_status=asker.ask(
            s3.get_bucket_policy_status,
            ("PolicyStatus", "IsPublic"),
            "s3:GetBucketPolicyStatus",
            "NoSuchBucketPolicy",
        )
        if connection.aws
        else not_aws,
        acl=asker.ask(s3.get_bucket_acl, "Grants", "s3:GetBucketAcl"),
        ownership=_ownership(
            asker.ask(
                s3.get_bucket_ownership_controls,
                ("OwnershipControls", "Rules"),
                "s3:GetBucketOwnershipControls",
                "OwnershipControlsNotFoundError",
            )
        ),
        bucket_block=asker.ask(
            s3.get_public_access_block,
            "PublicAccessBlockConfiguration",
            "s3:GetBucketPublicAccessBlock",
            "NoSuchPublicAccessBlockConfiguration",
        ),
        # no server but AWS has accounts with a block of their own
        account_block=_account_block(connection, account, owner) if connection.aws else Answer(),
        encryption=asker.ask(
            s3.get_bucket_encryption,
            ("ServerSideEncryptionConfiguration", "Rules"),
            "s3:GetEncryptionConfiguration",
            "ServerSideEncryptionConfigurationNotFoundError",
        ),
        versioning=versioning(asker, s3),
        logging=_logging(asker.ask(s3.get_bucket_logging, "", "s3:GetBucketLogging")),
        object_lock=object_lock(asker, s3),
        owner=owner,
    )


def versioning(asker: Asker, s3: S3Client) -> Answer:
    return asker.ask(s3.get_bucket_versioning, "", "s3:GetBucketVersioning")


def object_lock(asker: Asker, s3: S3Client) -> Answer:
    return asker.ask(
        s3.get_object_lock_configuration,
        "ObjectLockConfiguration",
        "s3:GetBucketObjectLockConfiguration",
        "ObjectLockConfigurationNotFoundError",
    )


def _ownership(answer: Answer) -> Answer:
    if not answer.value:
        return answer
    rule = answer.value[0]
    return Answer(value=rule.get("ObjectOwnership") if isinstance(rule, Mapping) else None)


def _logging(answer: Answer) -> Answer:
    if answer.unknown:
        return answer
    return Answer(value=answer.value.get("LoggingEnabled"))


class Asker:
    def __init__(self, bucket: str) -> None:
        self._bucket = bucket
        self._down = ""

    def ask(
        self,
        call: Callable[..., Any],
        field: str | tuple[str, ...],
        permission: str,
        absent: str = "",
        arguments: Mapping[str, Any] | None = None,
    ) -> Answer:
        """``field`` is what to take of the answer, ``""`` for all of it; without it in the answer
        we know nothing: some servers answer 200 with an empty body to what they do not offer.
        ``absent`` is the error code that means "there is none"; ``arguments`` are the bucket's
        name unless given."""
        from botocore.exceptions import BotoCoreError, ClientError

        if self._down:
            return Answer(unknown=self._down)
        try:
            answer = call(**({"Bucket": self._bucket} if arguments is None else arguments))
        except ClientError as error:
            return self._refused(error, permission, absent)
        except BotoCoreError as error:
            fault = s3_errors.from_boto(error)
            if fault.reason is Reason.UNREACHABLE:
                self._down = fault.detail
            return Answer(unknown=fault.detail)
        return _taken(answer, (field,) if isinstance(field, str) else field)

    def _refused(self, error: Any, permission: str, absent: str) -> Answer:
        code = s3_errors.safe_code(str(error.response.get("Error", {}).get("Code", "")))
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if absent and code == absent:
            return Answer()
        if code in {"NotImplemented", "MethodNotAllowed"} or status in {405, 501}:
            return Answer(unknown=f"the server does not offer this ({code or status})")
        if code in {"AccessDenied", "AccessDeniedException", "AllAccessDisabled"} or status == 403:
            return Answer(unknown=f"{code or status}: these credentials lack {permission}")
        fault = s3_errors.from_client_error(error)
        return Answer(unknown=f"{fault.detail}; asked with {permission}")


def _taken(answer: Mapping[str, Any], path: tuple[str, ...]) -> Answer:
    empty = Answer(unknown="the server answered with an empty body")
    headers = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    if headers.get("content-length") == "0":
        return empty
    value: Any = {key: item for key, item in answer.items() if key != "ResponseMetadata"}
    for name in path:
        if name:
            value = value.get(name) if isinstance(value, Mapping) else None
            if value is None or value == "":
                return empty
    return Answer(value=value)


def _owner(connection: Connection, asker: Asker) -> Answer:
    """The account that owns the bucket; known only when it is that of our credentials."""
    from botocore.exceptions import BotoCoreError

    from scanner.stores.s3_client import client_config

    if connection.anonymous:
        return Answer(unknown="asked without credentials")
    try:
        sts = connection.session.client(
            "sts", region_name=connection.region, config=client_config()
        )
    except BotoCoreError as error:  # a client could not be made
        return Answer(unknown=s3_errors.from_boto(error).detail)
    account = asker.ask(sts.get_caller_identity, "Account", "sts:GetCallerIdentity", arguments={})
    if account.unknown:
        return account
    if not owned_by(connection, asker, account.value):
        return Answer(unknown="the bucket may be of another account than these credentials")
    return account


def owned_by(connection: Connection, asker: Asker, account: str) -> bool:
    """Whether the bucket is of this account. No when it cannot be told."""
    owned = asker.ask(
        connection.client.list_objects_v2,
        "",
        "s3:ListBucket",
        arguments={"Bucket": connection.bucket, "ExpectedBucketOwner": account, "MaxKeys": 1},
    )
    return not owned.unknown


def _account_block(connection: Connection, asker: Asker, owner: Answer) -> Answer:
    """The account's block."""
    from scanner.stores.s3_client import client_config

    if owner.unknown:
        return owner
    control = connection.session.client(
        "s3control", region_name=connection.region, config=client_config()
    )
    return asker.ask(
        control.get_public_access_block,
        "PublicAccessBlockConfiguration",
        "s3:GetAccountPublicAccessBlock",
        "NoSuchPublicAccessBlockConfiguration",
        arguments={"AccountId": owner.value},
    )
