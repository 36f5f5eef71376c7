"""Reads that CloudTrail knows of outside S3: DynamoDB, the RDS Data API, Secrets Manager.

What is scanned is a database, and the trail names resources of AWS. So the settings say which
resource is, or opens, which store:

    [evidence.resources]
    "arn:aws:rds:eu-west-1:111122223333:cluster:shop" = "postgresql://scanner@db/shop"
    "arn:aws:secretsmanager:eu-west-1:111122223333:secret:shop-AbCdEf" = "postgresql://..."

Calls on a DynamoDB table, its stream and its exports are reads. CloudTrail calls every statement of
PartiQL a write, and shows its text without the values that are no keys: its first word tells. A
statement of the Data API may be a read: the trail hides its text. So may be the use of a secret:
whoever fetched it could read as the user of the database.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from scanner.access.cloudtrail_records import Event, Parameters, resources_of
from scanner.batch import Verb
from scanner.contracts import Wrong
from scanner.model import Store

_DYNAMODB, _RDS_DATA, _SECRETS = (
    *("dynamodb.amazonaws.com", "rds-data.amazonaws.com"),
    "secretsmanager.amazonaws.com",
)
SOURCES = frozenset({_DYNAMODB, _RDS_DATA, _SECRETS})
_TABLE_READS = frozenset(
    {
        *("GetItem", "BatchGetItem", "TransactGetItems", "Query", "Scan"),
        *("GetRecords", "ExportTableToPointInTime"),
    }
)
_PARTIQL = frozenset({"ExecuteStatement", "BatchExecuteStatement", "ExecuteTransaction"})
_STATEMENTS = frozenset({"ExecuteStatement", "BatchExecuteStatement", "ExecuteSql"})
_FETCHES = frozenset({"GetSecretValue", "BatchGetSecretValue"})
_RESOURCE = re.compile(
    r"arn:aws[a-z-]*:(?:dynamodb:[^:]*:[^:]*:table/|rds:[^:]*:[^:]*:cluster:"
    r"|secretsmanager:[^:]*:[^:]*:secret:)[^:]+"
)
_SELECT = re.compile(r"\s*SELECT\b", re.IGNORECASE)
_SUFFIX = re.compile(r"-[A-Za-z0-9]{6}$")
DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"})


class Resources:
    """The resources that the settings name, and the stores they are or open: those that are scanned
    now."""

    def __init__(self, settings: Mapping[str, Any], stores: Sequence[Store]) -> None:
        scanned = {store.uri for store in stores}
        given: Mapping[str, str] = settings.get("resources") or {}
        self._uris: dict[str, str] = {}
        self._named: dict[tuple[str, str], list[tuple[str, str, str]]] = {}
        """source and bare name of a table or secret, as some events name them, to region, account
        and store"""
        for resource, uri in given.items():
            if uri not in scanned:
                continue
            for arn in _spellings(resource):
                self._uris[arn] = uri
                _, _, service, region, account, rest = arn.split(":", 5)
                key = f"{service}.amazonaws.com", re.split("[:/]", rest, maxsplit=1)[1]
                self._named.setdefault(key, []).append((region, account, uri))

    @property
    def uris(self) -> list[str]:
        """The stores that are spoken of."""
        return list(dict.fromkeys(self._uris.values()))

    def of(self, event: Event) -> list[str]:
        """The stores whose resource a call is on."""
        found: dict[str, None] = {}
        for each in _told(event):
            if each in self._uris:
                found[self._uris[each]] = None
            # a bare name is one of the region and the account of the call
            for region, account, uri in self._named.get((str(event.source), each), ()):
                if event.region in (None, region) and event.recipient in (None, account):
                    found[uri] = None
        return list(found)


def verb(event: Event) -> Verb | None:
    """What a call on a resource may be of its store, None: nothing that reads."""
    if event.source == _DYNAMODB:
        if event.name in _TABLE_READS:
            return Verb.READ
        return _of_statements(event) if event.name in _PARTIQL else None
    if event.source == _RDS_DATA:
        return Verb.ASKED if event.name in _STATEMENTS else None
    return Verb.ASKED if event.name in _FETCHES else None


def _of_statements(event: Event) -> Verb | None:
    """PartiQL."""
    told = list(_statements(event.parameters or Parameters()))
    if not told:
        return Verb.ASKED
    return Verb.READ if any(map(_SELECT.match, told)) else None


def _statements(parameters: Parameters) -> Iterator[str]:
    listed = (parameters.statements, parameters.items, parameters.transaction)
    entries = [each for many in listed if isinstance(many, list) for each in many]
    for text in (
        parameters.statement,
        *(each.get("statement") for each in entries if isinstance(each, dict)),
    ):
        if isinstance(text, str):
            yield text


def wrong(settings: Mapping[str, Any]) -> Iterator[Wrong]:
    """Resources that there cannot be."""
    for resource, uri in (settings.get("resources") or {}).items():
        if not _RESOURCE.fullmatch(resource):
            expected = "ARNs of DynamoDB tables, RDS clusters or secrets"
            yield Wrong("resources", expected, resource)
        elif not isinstance(uri, str) or uri.startswith("s3://"):
            yield Wrong(f"resources.{resource}", "the uri of a database", str(uri))


def _spellings(resource: str) -> Iterator[str]:
    """Its ARN, of a secret also without the six characters that AWS puts behind its name."""
    yield resource
    if ":secret:" in resource and _SUFFIX.search(resource):
        yield _SUFFIX.sub("", resource)


def _told(event: Event) -> Iterator[str]:
    """The resources of a call, by ARN or name."""
    for resource in resources_of(event):
        if isinstance(resource.arn, str):
            # an index or the stream of a table is the table
            yield re.split("/(?:index|stream)/", resource.arn, maxsplit=1)[0]
    parameters = event.parameters
    if parameters is None:
        return
    several = parameters.secrets if isinstance(parameters.secrets, list) else ()
    named = (parameters.table, parameters.exported, parameters.cluster, parameters.secret)
    for each in (*named, *several):
        if isinstance(each, str):
            yield each
