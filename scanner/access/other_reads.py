"""Reads that CloudTrail knows of outside S3: DynamoDB, the RDS Data API, Secrets Manager.

What is scanned is a database, and the trail names resources of AWS. So the settings say which
resource is, or opens, which store:

    [evidence.resources]
    "arn:aws:rds:eu-west-1:111122223333:cluster:shop" = "postgresql://scanner@db/shop"
    "arn:aws:secretsmanager:eu-west-1:111122223333:secret:shop-AbCdEf" = "postgresql://..."

Calls on a DynamoDB table are reads. A statement of the Data API may be one: the trail hides its
text. So may be the use of a secret: whoever fetched it could read as the user of the database.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from scanner.access.cloudtrail_files import Event, resources_of
from scanner.batch import Verb
from scanner.model import Store

_DYNAMODB, _RDS_DATA, _SECRETS = (
    *("dynamodb.amazonaws.com", "rds-data.amazonaws.com"),
    "secretsmanager.amazonaws.com",
)
SOURCES = frozenset({_DYNAMODB, _RDS_DATA, _SECRETS})
_TABLE_READS = frozenset({"GetItem", "BatchGetItem", "TransactGetItems", "Query", "Scan"})
_PARTIQL = frozenset({"ExecuteStatement", "BatchExecuteStatement", "ExecuteTransaction"})
_STATEMENTS = frozenset({"ExecuteStatement", "BatchExecuteStatement", "ExecuteSql"})
_FETCHES = frozenset({"GetSecretValue", "BatchGetSecretValue"})
_RESOURCE = re.compile(
    r"arn:aws[a-z-]*:(?:dynamodb:[^:]*:[^:]*:table/|rds:[^:]*:[^:]*:cluster:"
    r"|secretsmanager:[^:]*:[^:]*:secret:)[^:]+"
)
_SUFFIX = re.compile(r"-[A-Za-z0-9]{6}$")
DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"})


class Resources:
    """The resources that the settings name, and the stores they are or open. ``faults`` say what
    of the settings cannot be obeyed."""

    def __init__(self, settings: Mapping[str, Any], stores: Sequence[Store]) -> None:
        known = {store.uri for store in stores}
        self.faults: list[str] = []
        self._uris: dict[str, str] = {}
        self._named: dict[str, set[str]] = {}
        """of tables and secrets by their bare name, as some events name them"""
        for resource, uri in dict(settings.get("resources") or {}).items():
            fault = _fault(resource, uri, known)
            if fault:
                self.faults.append(fault)
                continue
            self._uris[resource] = uri
            for name in _names(resource):
                self._named.setdefault(name, set()).add(uri)

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
            else:
                found.update(dict.fromkeys(sorted(self._named.get(each, ()))))
        return list(found)


def verb(event: Event) -> Verb | None:
    """What a call on a resource may be of its store, None: nothing that reads."""
    if event.source == _DYNAMODB:
        if event.name in _TABLE_READS:
            return Verb.READ
        if event.name in _PARTIQL and event.read_only is not False:
            return Verb.READ if event.read_only is True else Verb.ASKED
        return None
    if event.source == _RDS_DATA:
        return Verb.ASKED if event.name in _STATEMENTS else None
    return Verb.ASKED if event.name in _FETCHES else None


def _fault(resource: Any, uri: Any, known: set[str]) -> str | None:
    if not isinstance(resource, str) or not _RESOURCE.fullmatch(resource):
        return (
            "a key of “resources” is not obeyed: expected the ARN of a DynamoDB table, an RDS"
            " cluster or a secret"
        )
    if not isinstance(uri, str) or uri not in known or uri.startswith("s3://"):
        return (
            f"“resources” of {resource} is not obeyed: expected the uri of a database that is"
            " scanned"
        )
    return None


def _names(resource: str) -> Iterator[str]:
    """A resource as the parameters of calls may spell it, apart from its ARN."""
    name = resource.rpartition(":")[2].removeprefix("table/")
    yield name
    if ":secret:" in resource and _SUFFIX.search(name):
        yield _SUFFIX.sub("", name)
        yield _SUFFIX.sub("", resource)


def _told(event: Event) -> Iterator[str]:
    """The resources of a call, by ARN or name."""
    for resource in resources_of(event):
        if isinstance(resource.arn, str):
            # an index of a table is the table
            yield resource.arn.partition("/index/")[0]
    parameters = event.parameters
    if parameters is None:
        return
    several = parameters.secrets if isinstance(parameters.secrets, list) else ()
    for each in (parameters.table, parameters.cluster, parameters.secret, *several):
        if isinstance(each, str):
            yield each
