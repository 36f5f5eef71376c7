"""How long a bucket keeps what lies under a prefix: its lifecycle rules, and what hinders deletion.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-rules.html

Least privilege: s3:GetLifecycleConfiguration, s3:GetBucketVersioning and
s3:GetBucketObjectLockConfiguration. A rule that holds for some of the objects only (a longer
prefix, tags, sizes) may take any of an hour's files; which ones is not asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from scanner.model import Tri
from scanner.retention import Kept, Limit, days
from scanner.stores import s3_controls, s3_facts
from scanner.stores.s3_controls import Answer, Asker
from scanner.text import plural

if TYPE_CHECKING:
    from scanner.stores.s3_client import Connection

ARCHIVES = ("GLACIER", "DEEP_ARCHIVE")
"""classes whose objects cannot be read without a restore"""


def kept(connection: Connection, prefix: str) -> Kept:
    """See ``retention.Keeps``. ``prefix``: without a slash at its end."""
    asker, s3 = Asker(connection.bucket), connection.client
    rules = asker.ask(
        s3.get_bucket_lifecycle_configuration,
        "Rules",
        "s3:GetLifecycleConfiguration",
        "NoSuchLifecycleConfiguration",
    )
    where = f"s3://{connection.bucket}/{prefix}".rstrip("/")
    limits = list(limits_of(rules.value or (), prefix, datetime.now(UTC)))
    remarks = [
        *_said(rules, where, limits),
        *_versions(s3_controls.versioning(asker, s3)),
        *_lock(s3_controls.object_lock(asker, s3)),
    ]
    return Kept(limits, remarks)


def _said(rules: Answer, where: str, limits: Sequence[Limit]) -> Iterator[str]:
    if rules.unknown:
        yield f"how long {where} keeps the logs is not known ({rules.unknown})"
    elif not limits:
        yield f"no lifecycle rule takes logs away from {where}"


def _versions(answer: Answer) -> Iterator[str]:
    if answer.unknown:
        yield f"whether the bucket of the logs keeps versions is not known ({answer.unknown})"
    elif answer.value.get("Status"):
        mfa = answer.value.get("MFADelete") == "Enabled"
        yield (
            "the bucket of the logs keeps versions: one that was deleted may still be there, and is"
            f" not read; to delete a version for good {'takes' if mfa else 'does not take'} MFA"
        )


def _lock(answer: Answer) -> Iterator[str]:
    fact = s3_facts.object_lock(answer)
    if fact.state is not Tri.NO:
        yield f"of the bucket of the logs: {fact.detail}"


def limits_of(rules: Sequence[Mapping[str, Any]], prefix: str, now: datetime) -> Iterator[Limit]:
    """What rules that are on take from ``prefix``, as of ``now``."""
    for rule in rules:
        if rule.get("Status") != "Enabled":
            continue
        which = _Which(rule, prefix)
        if not which.ours:
            continue
        name = f" (rule {rule['ID']})" if rule.get("ID") else ""
        actions = [(f"deletes {which.words}", "", rule.get("Expiration") or {})]
        for each in rule.get("Transitions") or ():
            if each.get("StorageClass") in ARCHIVES:
                moves = f"moves {which.words} to {each['StorageClass']}"
                actions.append((moves, ", where they cannot be read without a restore", each))
        for does, so, action in actions:
            for words, since in _when(action, now):
                yield Limit(f"S3 {does} {words}{so}{name}", since, which.part)


def _when(action: Mapping[str, Any], now: datetime) -> Iterator[tuple[str, datetime | None]]:
    """In words, and what was written before when is taken now; nothing of an action that takes
    no current version."""
    age, date = action.get("Days"), action.get("Date")
    if isinstance(age, int):
        words = f"{days(age)} after they were written" if age else "as soon as they are written"
        yield words, now - timedelta(days=age)
    elif isinstance(date, datetime):
        # it goes on after that day, for whatever is written then
        yield f"from {date.astimezone(UTC):%Y-%m-%d} on", now if date <= now else None


class _Which:
    """The objects that a rule is for, as they lie to the logs under ``prefix``."""

    def __init__(self, rule: Mapping[str, Any], prefix: str) -> None:
        told = rule.get("Filter") or {}
        told = {**told, **(told.get("And") or {})}
        place = str(told.get("Prefix") or rule.get("Prefix") or "")
        here = f"{prefix}/" if prefix else ""
        self.ours = here.startswith(place) or place.startswith(here)
        deeper = not here.startswith(place)
        least, most = told.get("ObjectSizeGreaterThan"), told.get("ObjectSizeLessThan")
        only = [
            *([f"under {place}"] if deeper else []),
            *(["with certain tags"] if told.get("Tag") or told.get("Tags") else []),
            *([f"larger than {plural(least, 'byte')}"] if least else []),
            *([f"smaller than {plural(most, 'byte')}"] if most else []),
        ]
        self.part = bool(only)
        self.words = " ".join(["logs", *only])
