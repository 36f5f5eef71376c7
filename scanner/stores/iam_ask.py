"""Asking AWS, or saved files, what stands between principals and a bucket.

    identities   iam:GetAccountAuthorizationDetails, or the files of the option ``identities``
    control      organizations:DescribeOrganization, ListParents, ListPoliciesForTarget and
                 DescribePolicy, or the file of the option ``scps``
    the key      kms:DescribeKey, kms:GetKeyPolicy, kms:ListGrants
    the points   s3:ListAccessPoints, s3:GetAccessPoint, s3:GetAccessPointPolicy

Nothing here raises for what AWS answers: what may not be asked is a doubt with its reason.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from scanner.errors import UsageError
from scanner.stores import iam_account, s3_errors, s3_policy
from scanner.stores.iam_account import Account, BadDocument
from scanner.stores.iam_evaluate import Levels
from scanner.stores.s3_controls import Answer, Asker, Controls, owned_by
from scanner.stores.s3_policy import BadPolicy, Statement
from scanner.stores.s3_readers import Key, Point, Surroundings

if TYPE_CHECKING:
    from scanner.stores.s3_client import Connection

_MOST = 64 << 20
"""bytes of a saved file"""


# --- saved files ----------------------------------------------------------------------------------


def saved_accounts(path: str, where: str) -> tuple[Account, ...]:
    """From a file, or from all ``*.json`` of a folder. Raises ``UsageError``."""
    place = Path(path).expanduser()
    files = sorted(place.glob("*.json")) if place.is_dir() else [place]
    if not files:
        raise UsageError(f"{where}: identities: {path}: expected *.json in this folder, found none")
    found: dict[str, Account] = {}
    for file in files:
        account = _load(file, where, "identities", iam_account.account)
        if account.id in found:
            raise UsageError(f"{where}: identities: {file}: account {account.id} is there twice")
        found[account.id] = account
    return tuple(found.values())


def saved_levels(path: str, where: str) -> tuple[Levels, Levels]:
    """Service and resource control policies. Raises ``UsageError``."""

    def read(document: Any) -> tuple[Levels, Levels]:
        if isinstance(document, Mapping) and {"scps", "rcps"} >= set(document) != set():
            scps = document.get("scps")
            rcps = document.get("rcps")
            return (
                () if scps is None else iam_account.levels(scps, "service control policy"),
                () if rcps is None else iam_account.levels(rcps, "resource control policy"),
            )
        return iam_account.levels(document, "service control policy"), ()

    return _load(Path(path).expanduser(), where, "scps", read)


_T = TypeVar("_T")


def _load(file: Path, where: str, option: str, read: Callable[[Any], _T]) -> _T:
    try:
        if file.stat().st_size > _MOST:
            raise BadDocument(f"expected at most {_MOST >> 20} MiB")
        return read(json.loads(file.read_bytes()))
    except OSError as error:
        reason = error.strerror or "it cannot be read"
        raise UsageError(f"{where}: {option}: {file}: expected a readable file: {reason}") from None
    except BadDocument as error:
        raise UsageError(f"{where}: {option}: {file}: {error}") from None
    except (ValueError, RecursionError):
        raise UsageError(f"{where}: {option}: {file}: expected JSON") from None


# --- everything around one bucket -----------------------------------------------------------------


def surroundings(
    connection: Connection, controls: Controls, options: Mapping[str, Any], where: str
) -> Surroundings:
    """Raises ``UsageError`` for a saved file that is not what it should be; the kind of store has
    looked at it before."""
    doubts: list[str] = []
    saved = saved_accounts(options["identities"], where) if "identities" in options else ()
    owner = _owner(connection, controls, saved)
    if owner is None:
        doubts.append(_ownerless(connection, controls))
    accounts = saved
    ours = controls.owner.value
    if owner is not None and owner not in {account.id for account in saved}:
        live, doubt = _live_account(connection, owner) if owner == ours else (None, _NOT_GIVEN)
        accounts = saved if live is None else (*saved, live)
        doubts += [doubt] if doubt else []
    scps, rcps, organisation, doubt = _control(connection, owner, ours, options, where)
    doubts += [doubt] if doubt else []
    askable = connection.aws and owner is not None and owner == ours
    return Surroundings(
        owner=owner,
        accounts=accounts,
        organisation=organisation,
        service_control=scps,
        resource_control=rcps,
        points=tuple(_points(connection, str(owner), doubts)) if askable else (),
        key=_key(connection, controls, owner),
        region=connection.region,
        now=datetime.now(UTC),
        doubts=tuple(doubts),
    )


_NOT_GIVEN = "the policies of the owner's users and roles are in no file of identities"


def _owner(connection: Connection, controls: Controls, saved: Iterable[Account]) -> str | None:
    if controls.owner.value is not None:
        return str(controls.owner.value)
    ids = [account.id for account in saved]
    if not connection.aws:  # other servers do not look at the owner that is expected
        return ids[0] if len(ids) == 1 else None
    asker = Asker(connection.bucket)
    return next((each for each in ids if owned_by(connection, asker, each)), None)


def _ownerless(connection: Connection, controls: Controls) -> str:
    if not connection.aws:
        return "users and policies of a server that is not AWS are not asked"
    return (
        f"the account that owns the bucket is not known ({controls.owner.unknown}), so the policies"
        " of its users and roles were not looked at"
    )


_accounts: dict[tuple[str, str], tuple[Account | None, str]] = {}
"""asked once in a process: an account has many buckets"""


def forget() -> None:
    """What was asked once in this process is asked again."""
    _accounts.clear()
    _organisations.clear()


def _live_account(connection: Connection, owner: str) -> tuple[Account | None, str]:
    place = (connection.session.profile_name, owner)
    if place not in _accounts:
        _accounts[place] = _ask_account(connection)
    return _accounts[place]


def _ask_account(connection: Connection) -> tuple[Account | None, str]:
    def pages() -> dict[str, Any]:
        whole: dict[str, Any] = {}
        for page in (
            _client(connection, "iam").get_paginator("get_account_authorization_details").paginate()
        ):
            for key in ("UserDetailList", "GroupDetailList", "RoleDetailList", "Policies"):
                whole.setdefault(key, []).extend(page.get(key, []))
        return whole

    answer = _ask(connection, pages, "iam:GetAccountAuthorizationDetails")
    if answer.unknown:
        return None, f"the policies of users and roles are not known ({answer.unknown})"
    try:
        return iam_account.account(answer.value), ""
    except BadDocument as error:
        return None, f"the policies of users and roles could not be understood ({error})"


def _ask(
    connection: Connection, call: Callable[[], Any], permission: str, absent: str = ""
) -> Answer:
    """Any call or calls, with the errors of one."""
    from botocore.exceptions import BotoCoreError

    try:
        return Asker(connection.bucket).ask(
            lambda: {"value": call()}, "value", permission, absent, arguments={}
        )
    except BotoCoreError as error:  # a client could not be made
        return Answer(unknown=s3_errors.from_boto(error).detail)


def _client(connection: Connection, service: str) -> Any:
    from botocore.config import Config

    from scanner.stores.s3_client import client_config

    make: Any = connection.session.client  # its stubs know only the services named in a literal
    # a network without a way to this service must not hold up the scan for long
    config = client_config().merge(Config(retries={"mode": "standard", "total_max_attempts": 2}))
    return make(service, region_name=connection.region, config=config)


# --- the organisation -----------------------------------------------------------------------------

_organisations: dict[tuple[str, str], tuple[Levels, Levels, str | None, str]] = {}


def _control(
    connection: Connection,
    owner: str | None,
    ours: str | None,
    options: Mapping[str, Any],
    where: str,
) -> tuple[Levels, Levels, str | None, str]:
    """Service and resource control policies, the organisation's id, and a doubt."""
    doubt = "service and resource control policies, which can only take away, are not known"
    if "scps" in options:
        scps, rcps = saved_levels(options["scps"], where)
        return scps, rcps, None, ""
    if not connection.aws:
        return (), (), None, ""
    if owner is None or owner != ours:
        return (), (), None, doubt
    place = (connection.session.profile_name, owner)
    if place not in _organisations:
        _organisations[place] = _ask_organisation(connection, owner, doubt)
    return _organisations[place]


def _ask_organisation(
    connection: Connection, owner: str, doubt: str
) -> tuple[Levels, Levels, str | None, str]:
    organizations = _client(connection, "organizations")
    told = _ask(
        connection,
        lambda: organizations.describe_organization()["Organization"],
        "organizations:DescribeOrganization",
        "AWSOrganizationsNotInUseException",
    )
    if told.unknown:
        return (), (), None, f"{doubt} ({told.unknown})"
    if told.value is None:
        return (), (), None, ""
    organisation = str(told.value["Id"])
    if told.value.get("MasterAccountId") == owner:
        return (), (), organisation, ""  # they do not bind the account that manages it
    found = []
    for kind in ("SERVICE_CONTROL_POLICY", "RESOURCE_CONTROL_POLICY"):
        answer = _ask(
            connection,
            lambda kind=kind: _levels(organizations, owner, kind),  # type: ignore[misc]
            "organizations:ListParents, ListPoliciesForTarget and DescribePolicy",
        )
        if answer.unknown:
            return (), (), organisation, f"{doubt} ({answer.unknown})"
        found.append(answer.value)
    try:
        return (
            _read_levels(found[0], "service control policy"),
            _read_levels(found[1], "resource control policy"),
            organisation,
            "",
        )
    except BadDocument as error:
        return (), (), organisation, f"{doubt} ({error})"


def _read_levels(answers: list[list[Any]], what: str) -> Levels:
    return iam_account.levels(answers, what) if answers else ()


def _levels(organizations: Any, account: str, kind: str) -> list[list[Any]]:
    """From the root down to the account. A level without any has the kind turned off: it binds
    nobody, since AWS wants one policy everywhere as soon as it is on."""
    chain = [account]
    while not chain[0].startswith("r-"):
        chain.insert(0, organizations.list_parents(ChildId=chain[0])["Parents"][0]["Id"])
    pages = organizations.get_paginator("list_policies_for_target")
    found = [
        [
            organizations.describe_policy(PolicyId=summary["Id"])["Policy"]
            for page in pages.paginate(TargetId=target, Filter=kind)
            for summary in page["Policies"]
        ]
        for target in chain
    ]
    return [level for level in found if level]


# --- the key --------------------------------------------------------------------------------------


def _key(connection: Connection, controls: Controls, owner: str | None) -> Key | None:
    """The key that new objects are encrypted with, None when they are with none."""
    for rule in controls.encryption.value or ():
        default = rule.get("ApplyServerSideEncryptionByDefault", {})
        if not str(default.get("SSEAlgorithm", "")).startswith("aws:kms"):
            continue
        named, with_bucket = default.get("KMSMasterKeyID"), bool(rule.get("BucketKeyEnabled"))
        if not named:
            return _managed(connection, owner, with_bucket)
        return _asked_key(connection, str(named), owner, with_bucket)
    return None


def _managed(connection: Connection, owner: str | None, with_bucket: bool) -> Key:
    """The key that AWS keeps for S3: its policy lets in every principal of the account that S3
    does, and nobody else."""
    document = {
        "Statement": {
            "Sid": "of AWS for S3",
            "Effect": "Allow",
            "Principal": "*",
            "Action": "kms:Decrypt",
            "Resource": "*",
            "Condition": {"StringEquals": {"kms:CallerAccount": owner or ""}},
        }
    }
    arn = f"arn:aws:kms:{connection.region}:{owner or ''}:alias/aws/s3"
    doubt = "" if owner else "whose key encrypts the objects is not known"
    return Key(arn, owner, s3_policy.parse(document), doubt, with_bucket)


def _asked_key(connection: Connection, named: str, owner: str | None, with_bucket: bool) -> Key:
    def unknown(why: str) -> Key:
        arn = named if named.startswith("arn:") else f"key {named}"
        return Key(arn, owner, (), f"who may use {arn} is not known ({why})", with_bucket)

    if not connection.aws:
        return unknown("only AWS tells")
    kms, asker = _client(connection, "kms"), Asker(connection.bucket)
    about = asker.ask(
        kms.describe_key, "KeyMetadata", "kms:DescribeKey", arguments={"KeyId": named}
    )
    if about.unknown:
        return unknown(about.unknown)
    arn = str(about.value["Arn"])
    account = arn.split(":")[4]
    if about.value.get("KeyManager") == "AWS":
        return _managed(connection, account, with_bucket)
    policy = asker.ask(
        kms.get_key_policy,
        "Policy",
        "kms:GetKeyPolicy",
        arguments={"KeyId": arn, "PolicyName": "default"},
    )
    if policy.unknown:
        return unknown(policy.unknown)
    pages = kms.get_paginator("list_grants")
    grants = _ask(
        connection,
        lambda: [grant for page in pages.paginate(KeyId=arn) for grant in page["Grants"]],
        "kms:ListGrants",
    )
    try:
        statements = s3_policy.parse(policy.value)
    except (BadPolicy, RecursionError) as error:
        return unknown(f"its policy could not be understood: {error}")
    more = [] if grants.unknown else [_grant(each) for each in grants.value if _decrypts(each)]
    doubt = f"grants of {arn} are not known ({grants.unknown})" if grants.unknown else ""
    return Key(arn, account, (*statements, *more), doubt, with_bucket)


def _decrypts(grant: Mapping[str, Any]) -> bool:
    return "Decrypt" in grant.get("Operations", ())


def _grant(grant: Mapping[str, Any]) -> Statement:
    """A grant as the statement of a key policy that it amounts to."""
    who = str(grant.get("GranteePrincipal", ""))
    service = who.endswith(".amazonaws.com")
    limits = grant.get("Constraints", {})
    context = {
        **limits.get("EncryptionContextSubset", {}),
        **limits.get("EncryptionContextEquals", {}),
    }
    return Statement(
        label=f"grant {grant.get('Name') or grant.get('GrantId', '')}",
        allow=True,
        principals=(("Service" if service else "AWS", who),),
        but_principals=False,
        actions=("kms:Decrypt",),
        but_actions=False,
        resources=("*",),
        but_resources=False,
        conditions=tuple(
            ("stringequals", f"kms:encryptioncontext:{key}".lower(), (str(value),))
            for key, value in sorted(context.items())
        ),
    )


# --- access points --------------------------------------------------------------------------------


def _points(connection: Connection, owner: str, doubts: list[str]) -> Iterator[Point]:
    control, asker = _client(connection, "s3control"), Asker(connection.bucket)
    listed = _ask(
        connection,
        lambda: _all_points(control, owner, connection.bucket),
        "s3:ListAccessPoints",
    )
    if listed.unknown:
        doubts.append(f"access points are not known ({listed.unknown})")
        return
    for each in listed.value:
        name = str(each.get("Name", ""))
        arn = str(each.get("AccessPointArn", ""))
        which = {"AccountId": owner, "Name": name}
        about = asker.ask(control.get_access_point, "", "s3:GetAccessPoint", arguments=which)
        policy = asker.ask(
            control.get_access_point_policy,
            "Policy",
            "s3:GetAccessPointPolicy",
            "NoSuchAccessPointPolicy",
            arguments=which,
        )
        unknown = about.unknown or policy.unknown
        statements: tuple[Statement, ...] = ()
        try:
            statements = s3_policy.parse(policy.value) if policy.value else ()
        except (BadPolicy, RecursionError) as error:
            unknown = f"its policy could not be understood: {error}"
        told = about.value or {}
        block = told.get("PublicAccessBlockConfiguration", {})
        yield Point(
            name=name,
            arn=arn,
            account=owner,
            policy=statements,
            vpc=str(each.get("VpcConfiguration", {}).get("VpcId", "")),
            restricted=block.get("RestrictPublicBuckets") is True,
            doubt=f"who may read through access point {name} is not known ({unknown})"
            if unknown
            else "",
        )


def _all_points(control: Any, owner: str, bucket: str) -> list[Any]:
    found, where = [], {"AccountId": owner, "Bucket": bucket}
    while True:
        page = control.list_access_points(**where)
        found += page.get("AccessPointList", [])
        if not page.get("NextToken"):
            return found
        where["NextToken"] = page["NextToken"]
