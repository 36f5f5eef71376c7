"""Event selectors of a trail: which reads of a bucket it records, and which it leaves out.

A trail has basic or advanced selectors. The document is what ``aws cloudtrail
get-event-selectors`` prints, with a list ``EventSelectors`` or ``AdvancedEventSelectors``. Copies
count apart: CopyObject and UploadPartCopy read their source, and CloudTrail calls them writes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from detectors.records import dataclass
from scanner.text import plural

_READS = frozenset({"GetObject", "SelectObjectContent", "GetObjectTorrent"})
_COPIES = frozenset({"CopyObject", "UploadPartCopy"})


_DIRECTORY = re.compile(r".+--x-s3")
_DIRECTORY_ARN = re.compile(r"arn:aws:s3express:[^:]*:[^:]*:bucket/")


class _Scope(NamedTuple):
    """What selectors may choose of a store, and by which names."""

    kind: str
    source: str
    arn: str
    """what the ARNs of all its objects begin with"""

    @classmethod
    def of(cls, bucket: str, prefix: str) -> _Scope:
        path = f"{bucket}/{prefix}{'/' if prefix else ''}"
        if _DIRECTORY.fullmatch(bucket):
            arn = f"arn:aws:s3express:::bucket/{path}"
            return cls("AWS::S3Express::Object", "s3express.amazonaws.com", arn)
        return cls("AWS::S3::Object", "s3.amazonaws.com", f"arn:aws:s3:::{path}")


@dataclass(frozen=True, slots=True)
class Recorded:
    """What the selectors record of one store. ``gaps`` are sentences; with ``reads`` False nothing
    of its reads is recorded at all."""

    reads: bool
    gaps: tuple[str, ...]

    @property
    def whole(self) -> bool:
        return self.reads and not self.gaps


class BadSelectors(ValueError):
    """The document is not one of selectors; the message says what was expected."""


def recorded(document: Any, bucket: str, prefix: str) -> Recorded:
    """What selectors record of ``s3://bucket/prefix``. Raises ``BadSelectors``."""
    if not isinstance(document, Mapping):
        raise BadSelectors("expected the JSON object that get-event-selectors prints")
    basic = document.get("EventSelectors") or []
    advanced = document.get("AdvancedEventSelectors") or []
    if not (isinstance(basic, list) and isinstance(advanced, list)) or not (
        "EventSelectors" in document or "AdvancedEventSelectors" in document
    ):
        raise BadSelectors("expected the lists EventSelectors or AdvancedEventSelectors")
    scope = _Scope.of(bucket, prefix)
    reads: list[tuple[str, ...]] = []
    copies: list[tuple[str, ...]] = []
    for selector in basic:
        if isinstance(selector, Mapping):
            gaps = _basic(selector, scope)
            if gaps is not None:
                kind = selector.get("ReadWriteType", "All")
                if kind in {"All", "ReadOnly"}:
                    reads.append(gaps)
                if kind in {"All", "WriteOnly"}:
                    copies.append(gaps)
    for selector in advanced:
        if isinstance(selector, Mapping):
            fields = [f for f in selector.get("FieldSelectors") or () if isinstance(f, Mapping)]
            for wanted, found, names in (("true", reads, _READS), ("false", copies, _COPIES)):
                gaps = _advanced(fields, scope, wanted, names)
                if gaps is not None:
                    found.append(gaps)
    if not reads:
        return Recorded(bool(copies), ("the trail's selectors leave out reads of this store",))
    gaps = min(reads, key=len)
    if not copies:
        gaps += (
            "copies out of the store (CopyObject, UploadPartCopy) are writes to CloudTrail, and "
            "the trail's selectors leave writes out",
        )
    else:
        gaps += tuple(gap for gap in min(copies, key=len) if gap not in gaps)
    return Recorded(True, gaps)


def _basic(selector: Mapping[str, Any], scope: _Scope) -> tuple[str, ...] | None:
    """Gaps of one basic selector; None when it records nothing of the scope."""
    values = [
        value
        for resource in selector.get("DataResources") or ()
        if isinstance(resource, Mapping) and resource.get("Type") == scope.kind
        for value in resource.get("Values") or ()
        if isinstance(value, str)
    ]
    return _by_prefix(list(map(_plain, values)), scope.arn)


def _plain(arn: str) -> str:
    """Whatever its partition, and of a directory bucket region and account, which its name tells:
    one name is there once in a zone."""
    for partition in ("aws-cn", "aws-us-gov"):
        if arn.startswith(f"arn:{partition}:"):
            arn = arn.replace(f":{partition}:", ":aws:", 1)
    return _DIRECTORY_ARN.sub("arn:aws:s3express:::bucket/", arn)


def _by_prefix(prefixes: list[str], scope: str) -> tuple[str, ...] | None:
    if any(scope.startswith(prefix) for prefix in prefixes):
        return ()
    parts = [prefix for prefix in prefixes if prefix.startswith(scope)]
    if parts:
        shown = ", ".join(parts[:3]) + (" ..." if len(parts) > 3 else "")
        return (f"the trail records reads under {shown} only",)
    return None


def _advanced(
    fields: list[Mapping[str, Any]], scope: _Scope, read_only: str, names: frozenset[str]
) -> tuple[str, ...] | None:
    """Gaps of one advanced selector for reads (``read_only`` "true") or copies; None when it
    records none of them. All its fields must hold."""
    gaps: list[str] = []
    by_name = {str(field.get("Field")): field for field in fields}
    if not _lets(by_name.get("eventCategory"), "Data", required=True):
        return None
    if not _lets(by_name.get("resources.type"), scope.kind, required=True):
        return None
    if not _lets(by_name.get("readOnly"), read_only):
        return None
    if not _lets(by_name.get("eventSource"), scope.source):
        return None
    for name, field in by_name.items():
        if name in {"eventCategory", "resources.type", "readOnly", "eventSource"}:
            continue
        if name == "eventName":
            left_out = sorted(each for each in names if not _lets(field, each))
            if left_out == sorted(names):
                return None
            if left_out:
                gaps.append(f"the trail's selectors leave out {', '.join(left_out)}")
        elif name == "resources.ARN":
            found = _by_arn(field, scope.arn)
            if found is None:
                return None
            gaps.extend(found)
        elif name == "userIdentity.arn":
            gaps.extend(_by_caller(field))
        else:
            gaps.append(f"the trail's selectors choose by {name}: what they leave out is not seen")
    return tuple(gaps)


def _by_caller(field: Mapping[str, Any]) -> Iterator[str]:
    """Principals that a selector leaves out, or records alone."""
    for operator, words in (
        *(("NotEquals", ""), ("NotStartsWith", " whose ARN begins with")),
        ("NotEndsWith", " whose ARN ends with"),
    ):
        if values := _list(field, operator):
            yield f"the trail leaves out what is done by callers{words} {_some(values)}"
    for operator, words in (
        *(("Equals", ""), ("StartsWith", " whose ARN begins with")),
        ("EndsWith", " whose ARN ends with"),
    ):
        if values := _list(field, operator):
            yield f"the trail records only what is done by callers{words} {_some(values)}"


def _some(values: list[str]) -> str:
    return ", ".join(values[:3]) + (f" and {len(values) - 3} more" if len(values) > 3 else "")


def _lets(field: Mapping[str, Any] | None, value: str, required: bool = False) -> bool:
    """Whether a field selector lets a value through. Operators within one are joined by AND, but
    the values of one operator by OR (or, for the negated ones, by AND)."""
    if field is None:
        return not required
    tests: dict[str, Callable[[str], bool]] = {
        "Equals": value.__eq__,
        "StartsWith": value.startswith,
        "EndsWith": value.endswith,
    }
    for operator, test in tests.items():
        values, unwanted = _list(field, operator), _list(field, f"Not{operator}")
        if values and not any(test(each) for each in values):
            return False
        if any(test(each) for each in unwanted):
            return False
    return True


def _by_arn(field: Mapping[str, Any], scope: str) -> tuple[str, ...] | None:
    gaps: tuple[str, ...] = ()
    starts = [_plain(each) for each in _list(field, "StartsWith")]
    equals = [_plain(each) for each in _list(field, "Equals")]
    if starts or equals:
        found = _by_prefix(starts, scope)
        if found is None:
            inside = [each for each in equals if each.startswith(scope)]
            if not inside:
                return None
            found = (f"the trail records reads of {plural(len(inside), 'named object')} only",)
        gaps += found
    for prefix in map(_plain, _list(field, "NotStartsWith")):
        if scope.startswith(prefix):
            return None
        if prefix.startswith(scope):
            gaps += (f"the trail leaves out reads under {prefix}",)
    excepted = [each for each in map(_plain, _list(field, "NotEquals")) if each.startswith(scope)]
    if excepted:
        gaps += (f"the trail leaves out {plural(len(excepted), 'named object')}",)
    for operator in ("EndsWith", "NotEndsWith"):
        if _list(field, operator):
            gaps += ("the trail's selectors choose objects by how their names end",)
    return gaps


def _list(field: Mapping[str, Any], operator: str) -> list[str]:
    values: Iterator[Any] = iter(field.get(operator) or ())
    return [value for value in values if isinstance(value, str)]
