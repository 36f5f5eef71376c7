"""May a principal do one thing to one resource, and which statement decides: the logic of AWS.

    an explicit Deny anywhere ends it
    own account    the identity policies allow it, within the boundary, or the resource's does
    other account  both have to
    organisation   every level of service and resource control policies has to allow it as well

(IAM user guide, "Policy evaluation logic".) Answers have three values: see ``iam_conditions``. What
was not seen is a doubt, in words. Pure functions; nothing here calls AWS.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import field
from enum import IntEnum

from detectors.records import dataclass
from scanner.stores.iam_conditions import (
    NO,
    YES,
    Context,
    Holds,
    all_hold,
    all_of,
    any_of,
    depends,
    filled,
)
from scanner.stores.s3_policy import Statement, covers


@dataclass(frozen=True, slots=True)
class Policy:
    """``label`` says where it stands, for a person."""

    label: str
    statements: tuple[Statement, ...]


Levels = tuple[tuple[Policy, ...], ...]
"""control policies of an organisation, from the root down: each level has to allow"""


@dataclass(frozen=True, slots=True)
class Principal:
    """``kind``: user, role, service-linked-role, root, role-session, account, service, federated,
    canonical-user, other, public. ``name`` is the ARN, or what stands in the policy."""

    name: str
    kind: str
    account: str = ""
    """empty when it has none, or it is not known"""
    context: Context = field(default_factory=Context)
    policies: tuple[Policy, ...] | None = None
    """of it and its groups; None when they were not seen"""
    boundary: Policy | None = None
    doubt: str = ""
    """which of its policies are missing in what was seen"""

    @property
    def role(self) -> str:
        """The ARN of the role of a session, without its path, which a session's ARN lacks."""
        return (
            self.name.replace(":sts:", ":iam:")
            .replace(":assumed-role/", ":role/")
            .rpartition("/")[0]
        )


@dataclass(frozen=True, slots=True)
class Door:
    """A resource, and what stands between it and whoever asks."""

    account: str | None
    """the owner's; None when not known: then nobody is taken to be of another account"""
    policy: Policy | None = None
    doubt: str = ""
    """why its policy is not known"""
    delegates: bool = True
    """identity policies of the owner's account count by themselves. Those for a KMS key count only
    when its policy names the account."""
    service_control: Levels = ()
    resource_control: Levels = ()


@dataclass(frozen=True, slots=True)
class Decision:
    """``via`` is the statement that decided, ``unless`` those that might take it back, ``doubts``
    what was not seen and could turn the answer."""

    holds: Holds
    via: str = ""
    unless: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()

    @property
    def rank(self) -> int:
        """0 is a certain yes."""
        if self.holds == NO:
            return 9
        return (2 if self.doubts else 0) + bool(self.holds.keys)


def decide(who: Principal, door: Door, action: str, arn: str, context: Context) -> Decision:
    """``context``: what is known of the request beside the caller."""
    asked = _Request(who, action, arn, context.plus(who.context))
    denies = [
        (policy, statement, holds) for policy, statement, holds in asked.denies(door) if holds != NO
    ]
    certain = next((d for d in denies if d[2] == YES), None)
    if certain:
        return Decision(NO, _say(certain[0], certain[1]))
    way = min(_ways(asked, door), key=lambda each: each.rank, default=Decision(NO))
    guards = [
        any_of(asked.allows(statement) for policy in level for statement in policy.statements)
        for level in asked.levels(door)
    ]
    holds = all_of([way.holds, *guards, *(~holds for _, _, holds in denies)])
    return Decision(holds, way.via, tuple(_say(p, s) for p, s, _ in denies), way.doubts)


def _say(policy: Policy, statement: Statement) -> str:
    return f"{policy.label}, {statement.label}"


def _ways(asked: _Request, door: Door) -> Iterator[Decision]:
    """How the caller can be let in, before any Deny."""
    who = asked.who
    foreign = door.account is not None and who.account != door.account
    resource = list(asked.resource_allows(door))
    if who.kind in _WITHOUT_POLICIES or (door.account is None and who.policies is None):
        yield from (decision for _, decision in resource)
        return
    identity = list(asked.identity_allows(door.doubt))
    if foreign:
        for _, theirs in resource:
            yield from (_both(theirs, mine) for mine in identity)
        return
    named = [theirs.holds for match, theirs in resource if match is Match.ACCOUNT]
    for holds in [YES] if door.delegates else named:
        yield from (
            Decision(all_of((holds, mine.holds)), mine.via, doubts=mine.doubts) for mine in identity
        )
    for match, theirs in resource:
        if match is Match.ACCOUNT:
            continue  # to name the own account gives nobody anything but its root user
        bounded = asked.bounded() if match is Match.ROLE else YES
        # a policy that is missing could deny what the resource's allows
        doubts = (who.doubt,) if who.doubt else ()
        yield Decision(all_of((theirs.holds, bounded)), theirs.via, doubts=doubts)


def _both(theirs: Decision, mine: Decision) -> Decision:
    via = "; ".join(each for each in (theirs.via, mine.via) if each)
    return Decision(all_of((theirs.holds, mine.holds)), via, doubts=(*theirs.doubts, *mine.doubts))


class Match(IntEnum):
    """How a statement's principal element names somebody."""

    DIRECT = 0  # a boundary that is silent does not limit it
    ROLE = 1  # it does, of a role that is named as a role
    ACCOUNT = 2  # its account is named: that leaves it to the account


_WITHOUT_POLICIES = frozenset(
    {"account", "service", "federated", "canonical-user", "other", "public"}
)


@dataclass(frozen=True, slots=True)
class _Request:
    who: Principal
    action: str
    arn: str
    context: Context

    def speaks(self, statement: Statement) -> Holds:
        """Whether a statement is about this action, resource and request."""
        if not statement.may_do((self.action,)):
            return NO
        named = any_of(self._resource(pattern, statement) for pattern in statement.resources)
        if statement.but_resources:
            named = ~named
        if named == NO:
            return NO
        return all_of((named, all_hold(statement.conditions, self.context, statement.variables)))

    def _resource(self, pattern: str, statement: Statement) -> Holds:
        text, known = filled(pattern, self.context, statement.variables)
        return all_of((known, Holds(covers(text, self.arn))))

    def allows(self, statement: Statement) -> Holds:
        return self.speaks(statement) if statement.allow else NO

    def identity_allows(self, door_doubt: str) -> Iterator[Decision]:
        who = self.who
        doubts = tuple(each for each in (who.doubt, door_doubt) if each)
        if who.policies is None:
            yield Decision(YES, doubts=(f"{_whose(who)} policies were not seen",))
            return
        if who.kind == "root":
            yield Decision(YES, "root user of the account", doubts=doubts)
            return
        bounded = self.bounded()
        for policy in who.policies:
            for statement in policy.statements:
                holds = all_of((self.allows(statement), bounded))
                if holds != NO:
                    yield Decision(holds, _say(policy, statement), doubts=doubts)
        if who.doubt:
            yield Decision(bounded, doubts=doubts)

    def bounded(self) -> Holds:
        if self.who.boundary is None:
            return YES
        return any_of(self.allows(s) for s in self.who.boundary.statements)

    def resource_allows(self, door: Door) -> Iterator[tuple[Match, Decision]]:
        if door.policy is None:
            return
        for statement in door.policy.statements:
            if not statement.allow:
                continue
            for match, holds in names(statement, self.who):
                both = all_of((holds, self.speaks(statement)))
                if both != NO:
                    yield match, Decision(both, _say(door.policy, statement))

    def denies(self, door: Door) -> Iterator[tuple[Policy, Statement, Holds]]:
        who = self.who
        own = [*(who.policies or ()), *([who.boundary] if who.boundary else [])]
        own += [policy for level in self.levels(door) for policy in level]
        for policy in own:
            for statement in policy.statements:
                if not statement.allow:
                    yield policy, statement, self.speaks(statement)
        if door.policy is None:
            return
        for statement in door.policy.statements:
            if not statement.allow:
                named = any_of(holds for _, holds in names(statement, who))
                yield door.policy, statement, all_of((named, self.speaks(statement)))

    def levels(self, door: Door) -> Levels:
        """The control policies that count for the caller: those of services for the principals of
        the organisation's account, those of resources for everybody; none for the roles that are
        linked to a service."""
        if self.who.kind == "service-linked-role":
            return ()
        own = self.who.account == door.account and self.who.kind not in ("service", "account")
        return (*(door.service_control if own else ()), *door.resource_control)


def _whose(who: Principal) -> str:
    return f"the account {who.account}'s own" if who.account else "its own"


# --- the principal element ------------------------------------------------------------------------


def names(statement: Statement, who: Principal) -> Iterator[tuple[Match, Holds]]:
    """Whether and how the principal element of a resource's policy names somebody."""
    found = [
        (match, holds)
        for kind, value in statement.principals
        for match, holds in _named(kind, value, who)
    ]
    if not statement.but_principals:
        yield from found
        return
    itself = any_of(holds for match, holds in found if match is not Match.ACCOUNT)
    account = any(match is Match.ACCOUNT for match, _ in found) or who.kind == "root"
    if itself == NO:
        yield Match.DIRECT, YES
    elif itself.keys:
        yield Match.DIRECT, ~itself
    elif not account and who.account:
        # AWS wants the account named beside its principal, and may refuse everybody otherwise
        yield Match.DIRECT, depends("NotPrincipal without the account")
    elif who.kind in ("role", "service-linked-role"):
        yield Match.DIRECT, depends("NotPrincipal without the session")


def _named(kind: str, value: str, who: Principal) -> Iterable[tuple[Match, Holds]]:
    if value == "*" and kind in ("*", "AWS"):
        return ((Match.DIRECT, YES),)
    if kind != "AWS":
        same = _KINDS.get(kind) == who.kind and value == who.name
        return ((Match.DIRECT, YES),) if same else ()
    account = _account_named(value)
    if account:
        if account != who.account:
            return ()
        whole = who.kind in ("root", "account")
        return ((Match.DIRECT if whole else Match.ACCOUNT, YES),)
    if value == who.name:
        return ((Match.ROLE if "role" in who.kind and ":role/" in value else Match.DIRECT, YES),)
    if who.kind == "role-session" and who.role == _without_path(value):
        return ((Match.ROLE, YES),)
    if "*" in value:  # AWS refuses it; other servers know it
        if who.kind == "public":
            return ((Match.DIRECT, depends("aws:PrincipalArn")),)
        return ((Match.DIRECT, YES),) if covers(value, who.name) else ()
    return ()


_KINDS = {"Service": "service", "Federated": "federated", "CanonicalUser": "canonical-user"}


def _account_named(value: str) -> str:
    if value.isdecimal() and len(value) == 12:
        return value
    parts = value.split(":", 5)
    return parts[4] if len(parts) == 6 and parts[5] == "root" else ""


def _without_path(arn: str) -> str:
    before, slash, rest = arn.partition(":role/")
    return before + slash + rest.rpartition("/")[2] if slash else arn
