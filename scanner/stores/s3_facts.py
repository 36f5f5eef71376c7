"""Protection facts of a bucket: what the answers of ``s3_controls`` mean.

Pure functions. A fact is *unknown* as soon as an answer that could turn it is missing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from detectors.records import dataclass
from scanner.model import Fact, Tri
from scanner.stores import s3_policy
from scanner.stores.s3_controls import Answer, Controls
from scanner.stores.s3_policy import BadPolicy, Statement

_EVERYBODY = "http://acs.amazonaws.com/groups/global/AllUsers"
_ANY_ACCOUNT = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers"
# what a bucket's own ACL lets its grantee do; it never lets anyone read an object
_ACL_MEANING = {
    "READ": "list the names of the objects",
    "WRITE": "write objects",
    "WRITE_ACP": "change the bucket's ACL",
    "FULL_CONTROL": "list the names of the objects, write objects and change the bucket's ACL",
}


@dataclass(frozen=True, slots=True)
class Scope:
    """The part of a bucket that a store is."""

    bucket: str
    prefix: str = ""
    partition: str = "aws"

    @property
    def arn(self) -> str:
        return f"arn:{self.partition}:s3:::{self.bucket}"

    @property
    def objects(self) -> tuple[str, ...]:
        """ARN patterns of its objects."""
        if not self.prefix:
            return (f"{self.arn}/*",)
        return (f"{self.arn}/{self.prefix}", f"{self.arn}/{self.prefix}/*")


def facts(controls: Controls, scope: Scope) -> tuple[Fact, ...]:
    return (
        public_access(controls, scope),
        _encryption(controls),
        versioning(controls.versioning),
        _logging(controls),
        object_lock(controls.object_lock),
        _tls_only(controls, scope),
    )


# --- public access --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Opening:
    """A way in for the public. ``reads`` is True when it gives the content of objects."""

    sentence: str
    reads: bool


def public_access(controls: Controls, scope: Scope) -> Fact:
    """Whether the public can read, list or write, by policy or ACL, after both blocks."""
    openings, doubts, remarks = _weigh(controls, scope)
    if openings:
        said = "; ".join([opening.sentence for opening in openings] + remarks)
        return Fact("public-access", Tri.YES, said)
    if doubts:
        return Fact("public-access", Tri.UNKNOWN, "; ".join(doubts + remarks))
    closed = "neither the bucket policy nor an ACL opens it to the public"
    return Fact("public-access", Tri.NO, "; ".join([closed, *remarks]))


def public_reading(controls: Controls, scope: Scope) -> Tri:
    """Whether the public can read objects (and not only list or write)."""
    openings, doubts, _ = _weigh(controls, scope)
    if any(opening.reads for opening in openings):
        return Tri.YES
    return Tri.UNKNOWN if doubts else Tri.NO


def _weigh(controls: Controls, scope: Scope) -> tuple[list[Opening], list[str], list[str]]:
    """Openings, what keeps us from a certain no, and remarks."""
    openings: list[Opening] = []
    doubts: list[str] = []
    remarks: list[str] = []
    restricted = blocked(controls, "RestrictPublicBuckets")
    by_policy, doubt = _by_policy(controls, scope)
    _settle(by_policy, doubt, restricted, "RestrictPublicBuckets", openings, doubts, remarks)
    if controls.ownership.value == "BucketOwnerEnforced":
        remarks.append("ACLs are turned off (BucketOwnerEnforced)")
    else:
        ignored = blocked(controls, "IgnorePublicAcls")
        by_acl, doubt = _by_acl(controls)
        _settle(by_acl, doubt, ignored, "IgnorePublicAcls", openings, doubts, remarks)
    remarks.extend(_block_remarks(controls))
    return openings, doubts, remarks


def _settle(
    found: list[Opening],
    doubt: str,
    blocked: tuple[Tri, str],
    setting: str,
    openings: list[Opening],
    doubts: list[str],
    remarks: list[str],
) -> None:
    """What is left of openings after the Public Access Block."""
    state, why = blocked
    if state is Tri.YES:
        remarks.extend(f"{opening.sentence}, but {setting} cuts this off" for opening in found)
    elif state is Tri.NO:
        openings.extend(found)
        if doubt:
            doubts.append(doubt)
    else:
        doubts.extend(
            f"{opening.sentence}, unless {setting} cuts this off: {why}" for opening in found
        )
        if doubt:
            doubts.append(doubt)


def blocked(controls: Controls, setting: str) -> tuple[Tri, str]:
    """A setting of the Public Access Block is on when either level has it on."""
    levels = (("bucket", controls.bucket_block), ("account", controls.account_block))
    if any(answer.value and answer.value.get(setting) is True for _, answer in levels):
        return Tri.YES, ""
    for level, answer in levels:
        if answer.unknown:
            return Tri.UNKNOWN, f"the {level}'s Public Access Block is not known ({answer.unknown})"
    return Tri.NO, ""


def _by_policy(controls: Controls, scope: Scope) -> tuple[list[Opening], str]:
    statements, doubt = statements_of(controls.policy)
    if doubt:
        return [], doubt
    openings = []
    found: dict[int, list[str]] = {}
    for actions, scopes, what in (
        (s3_policy.READ_ACTIONS, scope.objects, _READ),
        (s3_policy.LIST_ACTIONS, (scope.arn,), "list the names of objects"),
        (s3_policy.WRITE_ACTIONS, (scope.arn, *scope.objects), "write or change access"),
    ):
        for statement in s3_policy.public(statements, actions, scopes):
            found.setdefault(statements.index(statement), []).append(what)
    for number, does in sorted(found.items()):
        statement = statements[number]
        where = ", ".join(statement.resources) or "what its NotResource leaves"
        sentence = f"the bucket policy lets anyone {_and(does)} ({statement.label}, on {where})"
        openings.append(Opening(sentence, _READ in does))
    status = controls.policy_status
    if status.value is True and not openings and not scope.prefix:
        sentence = "AWS calls the bucket policy public (GetBucketPolicyStatus)"
        return [Opening(sentence, reads=True)], ""
    if status.value is False and openings:
        said = "; ".join(opening.sentence for opening in openings)
        doubt = f"{said}; but AWS calls the policy not public (GetBucketPolicyStatus)"
        return [], doubt
    return openings, ""


_READ = "read objects"


def _and(parts: list[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def statements_of(policy: Answer) -> tuple[tuple[Statement, ...], str]:
    if policy.unknown:
        return (), f"the bucket policy is not known ({policy.unknown})"
    if policy.value is None:
        return (), ""
    try:
        return s3_policy.parse(policy.value), ""
    except BadPolicy as error:
        return (), f"the bucket policy could not be understood ({error})"
    except RecursionError:
        return (), "the bucket policy could not be understood (nested too deep)"


def _by_acl(controls: Controls) -> tuple[list[Opening], str]:
    if controls.acl.unknown:
        return [], f"the bucket's ACL is not known ({controls.acl.unknown})"
    found = []
    for grant in controls.acl.value or ():
        who = {
            _EVERYBODY: "anyone (AllUsers)",
            _ANY_ACCOUNT: "anyone with an AWS account (AuthenticatedUsers)",
        }.get(grant.get("Grantee", {}).get("URI", ""))
        meaning = _ACL_MEANING.get(grant.get("Permission", ""))
        if who and meaning:
            found.append(Opening(f"the bucket's ACL lets {who} {meaning}", reads=False))
    if controls.ownership.unknown:
        unsure = f"whether ACLs count is not known ({controls.ownership.unknown})"
        said = "; ".join(opening.sentence for opening in found)
        return [], f"{said}, but {unsure}" if found else unsure
    doubt = "ACLs of single objects count in this bucket and were not asked"
    return found, doubt


def _block_remarks(controls: Controls) -> Iterator[str]:
    names = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
    for level, answer in (
        ("bucket", controls.bucket_block),
        ("account", controls.account_block),
    ):
        if answer.unknown:
            yield f"Public Access Block of the {level}: not known ({answer.unknown})"
        elif answer.value is None:
            if level == "bucket" or controls.aws:
                yield f"Public Access Block of the {level}: not set"
        else:
            on = [name for name in names if answer.value.get(name) is True]
            state = "all on" if len(on) == len(names) else ", ".join(on) or "all off"
            yield f"Public Access Block of the {level}: {state}"


# --- the other controls ---------------------------------------------------------------------------


def _encryption(controls: Controls) -> Fact:
    control, answer = "default-encryption", controls.encryption
    if answer.unknown:
        return Fact(control, Tri.UNKNOWN, f"the default encryption is not known ({answer.unknown})")
    for rule in answer.value or ():
        default = rule.get("ApplyServerSideEncryptionByDefault", {})
        algorithm, key = default.get("SSEAlgorithm"), default.get("KMSMasterKeyID")
        if algorithm == "AES256":
            detail = "new objects are encrypted with AES-256, the keys held by the storage (SSE-S3)"
            return Fact(control, Tri.YES, detail)
        if algorithm:
            kind = "dual-layer KMS" if "dsse" in algorithm else "KMS"
            held = f"key {key}" if key else "the account's key for S3"
            return Fact(control, Tri.YES, f"new objects are encrypted with {kind} ({held})")
    return Fact(control, Tri.NO, "no default encryption: an upload that asks for none gets none")


def versioning(answer: Answer) -> Fact:
    control = "versioning"
    if answer.unknown:
        return Fact(control, Tri.UNKNOWN, f"versioning is not known ({answer.unknown})")
    status = answer.value.get("Status")
    if status == "Enabled":
        mfa = answer.value.get("MFADelete") == "Enabled"
        detail = (
            "every earlier version of an object is kept, deleted ones too; only current versions "
            f"were scanned; deleting one {'needs' if mfa else 'does not need'} MFA"
        )
        return Fact(control, Tri.YES, detail)
    if status == "Suspended":
        detail = "versioning is suspended; versions from before are still there and not scanned"
        return Fact(control, Tri.NO, detail)
    return Fact(control, Tri.NO, "versioning was never turned on")


def _logging(controls: Controls) -> Fact:
    control, answer = "access-logging", controls.logging
    if answer.unknown:
        return Fact(control, Tri.UNKNOWN, f"server access logging is not known ({answer.unknown})")
    if answer.value is None:
        own = "" if controls.aws else "; the server may keep logs of its own"
        return Fact(control, Tri.NO, f"server access logging is off{own}")
    target, prefix = answer.value.get("TargetBucket", ""), answer.value.get("TargetPrefix", "")
    detail = f"server access logs go to s3://{target}/{prefix} (best effort, hours late)"
    return Fact(control, Tri.YES, detail)


def object_lock(answer: Answer) -> Fact:
    control = "object-lock"
    if answer.unknown:
        return Fact(control, Tri.UNKNOWN, f"object lock is not known ({answer.unknown})")
    if answer.value is None or answer.value.get("ObjectLockEnabled") != "Enabled":
        return Fact(control, Tri.NO, "object lock is off")
    retention = answer.value.get("Rule", {}).get("DefaultRetention", {})
    mode = retention.get("Mode")
    period = retention.get("Days") or retention.get("Years")
    unit = "days" if retention.get("Days") else "years"
    default = f"{mode}, {period} {unit} by default" if mode else "no default retention"
    return Fact(control, Tri.YES, f"object lock is on ({default})")


def _tls_only(controls: Controls, scope: Scope) -> Fact:
    statements, doubt = statements_of(controls.policy)
    if doubt:
        return Fact("tls-only", Tri.UNKNOWN, doubt)
    if all(s3_policy.tls_only(statements, part) for part in scope.objects):
        return Fact("tls-only", Tri.YES, "the bucket policy denies reading without TLS")
    if controls.policy.value is None:
        return Fact("tls-only", Tri.NO, "no bucket policy denies requests without TLS")
    return Fact("tls-only", Tri.NO, "the bucket policy does not deny requests without TLS")


# --- principals ----------------------------------------------------------------------------------


def principal_kind(kind: str, name: str) -> str:
    """user, role, account, service, federated or canonical-user, from the principal's type."""
    if kind != "AWS":
        other = {"Service": "service", "Federated": "federated", "CanonicalUser": "canonical-user"}
        return other.get(kind, "other")
    if re.fullmatch(r"\d{12}", name) or name.endswith(":root"):
        return "account"
    if name.startswith("arn:aws:iam::cloudfront:"):  # an origin access identity
        return "service"
    resource = name.rpartition(":")[2]
    if resource.startswith("assumed-role/"):
        return "role-session"
    return resource.partition("/")[0] if resource.startswith(("user/", "role/")) else "other"


def partition_of(region: str) -> str:
    if region.startswith("cn-"):
        return "aws-cn"
    return "aws-us-gov" if region.startswith("us-gov-") else "aws"
