"""Who could read a bucket: each principal of the accounts that are known, each that a policy names,
and the public, judged by everything between them and an object.

    identity policies, boundary, control policies     of the principal (``iam_account``)
    bucket policy, Public Access Block                of the bucket
    policy of an access point                         where it is read through one
    key policy and grants                             where objects are encrypted with a KMS key

Who may not is left out. What was not seen, and could turn an answer, makes it *unknown* and stands
in ``Readers.doubts``. Pure functions over what ``iam_ask`` was told.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import field, replace
from datetime import UTC, datetime

from detectors.records import dataclass
from scanner.contracts import SealName
from scanner.model import Grant, Tri
from scanner.stores import iam_classes, s3_policy
from scanner.stores.iam_account import DECRYPT, ONLY_FROM_SERVICES, READ_ACTIONS, Account
from scanner.stores.iam_conditions import NO, Context, all_of, depends, filled
from scanner.stores.iam_evaluate import Decision, Door, Levels, Policy, Principal, decide
from scanner.stores.s3_controls import Controls
from scanner.stores.s3_facts import Scope, blocked, principal_kind, statements_of
from scanner.stores.s3_policy import Statement
from scanner.text import seal_around_accounts

EVERYONE = "everyone"
_SHOWN = 4


@dataclass(frozen=True, slots=True)
class Point:
    """An access point. ``vpc``: only from there; empty when from anywhere. ``restricted``: its own
    RestrictPublicBuckets."""

    name: str
    arn: str
    account: str
    policy: tuple[Statement, ...]
    vpc: str = ""
    restricted: bool = False
    doubt: str = ""


@dataclass(frozen=True, slots=True)
class Key:
    """The KMS key of the bucket's default encryption. Grants stand among the statements."""

    arn: str
    account: str | None
    policy: tuple[Statement, ...] = ()
    doubt: str = ""
    bucket_key: bool = False


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is known around a bucket beside its own settings."""

    owner: str | None = None
    accounts: tuple[Account, ...] = ()
    organisation: str | None = None
    service_control: Levels = ()
    resource_control: Levels = ()
    points: tuple[Point, ...] = ()
    key: Key | None = None
    region: str = ""
    now: datetime = datetime(1970, 1, 1, tzinfo=UTC)
    doubts: tuple[str, ...] = ("the policies of users and roles were not asked",)
    """why what is known is not all, each the part of a sentence"""


@dataclass(frozen=True, slots=True)
class Readers:
    grants: tuple[Grant, ...]
    doubts: tuple[str, ...]
    """why the list is not known to be whole and right; empty when it is"""


def readers(controls: Controls, scope: Scope, around: Surroundings, seal_name: SealName) -> Readers:
    judge = _Judge(controls, scope, around)
    found: dict[tuple[str, str], Grant] = {}
    doubts = dict.fromkeys((*around.doubts, *judge.doubts()))
    for who in (*judge.known(), *judge.named(), judge.public()):
        decision, where, part = judge.best(who)
        if decision.holds == NO:
            continue
        doubts.update(dict.fromkeys(decision.doubts))
        name = seal_around_accounts(who.name, seal_name)
        via = seal_around_accounts(_via(decision, where), seal_name)
        grant = Grant(name, who.kind, _state(decision), via, part=part)
        found.setdefault((who.kind, who.name), grant)
    grants = tuple(found[place] for place in sorted(found))
    return Readers(grants, tuple(seal_around_accounts(each, seal_name) for each in doubts))


def _state(decision: Decision) -> str:
    if decision.doubts:
        return "unknown"
    return "conditional" if decision.holds.keys else "allow"


def _via(decision: Decision, where: str) -> str:
    """The deciding statement, then what it depends on."""
    said = [f"{decision.via or 'not seen'}{where}"]
    keys = sorted(decision.holds.keys)
    if keys:
        said.append("depends on " + ", ".join(keys[:_SHOWN]) + _more(keys))
    if decision.unless and keys:
        unless = list(decision.unless)
        said.append("may be refused by " + ", ".join(unless[:_SHOWN]) + _more(unless))
    if decision.doubts:
        said.append("not known: " + "; ".join(decision.doubts))
    return "; ".join(said)


def _more(names: Sequence[str]) -> str:
    return f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""


@dataclass(slots=True)
class _Judge:
    controls: Controls
    scope: Scope
    around: Surroundings
    _policy: tuple[Statement, ...] = field(init=False)
    _policy_doubt: str = field(init=False)
    _restricted: tuple[Tri, str] = field(init=False)
    _door: Door = field(init=False)

    def __post_init__(self) -> None:
        around = self.around
        self._policy, self._policy_doubt = statements_of(self.controls.policy)
        # one public statement is enough for the setting to cut off other accounts everywhere
        self._restricted = (
            blocked(self.controls, "RestrictPublicBuckets")
            if s3_policy.public(self._policy)
            else (Tri.NO, "")
        )
        self._door = Door(
            around.owner,
            Policy("bucket policy", self._policy),
            self._policy_doubt,
            service_control=around.service_control,
            resource_control=around.resource_control,
        )

    def doubts(self) -> Iterator[str]:
        if self._policy_doubt:
            yield self._policy_doubt
        if self.controls.ownership.value != "BucketOwnerEnforced":
            yield (
                f"whether ACLs count is not known ({self.controls.ownership.unknown})"
                if self.controls.ownership.unknown
                else "ACLs of single objects count in this bucket and were not asked"
            )
        yield from (point.doubt for point in self.around.points if point.doubt)
        if self.around.key is not None and self.around.key.doubt:
            yield self.around.key.doubt

    # --- whom to judge ---

    def known(self) -> Iterator[Principal]:
        for account in self.around.accounts:
            for who in account.principals:
                yield self._in_organisation(who)

    def _in_organisation(self, who: Principal) -> Principal:
        organisation = self.around.organisation
        if organisation is None or who.account != self.around.owner:
            return who
        known = Context({"aws:principalorgid": (organisation,)})
        return replace(who, context=who.context.plus(known))

    def named(self) -> Iterator[Principal]:
        """Whom the bucket's policy or an access point's names, other than those known."""
        by_arn = {who.name: who for who in self.known()}
        seen = {account.id for account in self.around.accounts}
        policies = [self._policy, *(point.policy for point in self.around.points)]
        for statement in (s for policy in policies for s in policy if s.allow):
            if statement.but_principals or not statement.may_do(READ_ACTIONS):
                continue
            for kind, name in statement.principals:
                if "*" in name or name in by_arn:
                    continue
                who = _stranger(principal_kind(kind, name), name)
                if who.account not in seen:
                    yield who
                elif who.kind == "role-session":
                    yield from _session(who, by_arn.values())

    def public(self) -> Principal:
        accounts = {account.id for account in self.around.accounts}
        if self.around.owner is not None:
            accounts.add(self.around.owner)
        return Principal(EVERYONE, "public", context=Context(not_of=frozenset(accounts)))

    # --- one principal ---

    def best(self, who: Principal) -> tuple[Decision, str, bool]:
        """The most it can do with any object by any permission, through which door, and whether
        other objects are closed to it by that door."""
        best, where, through = Decision(NO), "", None
        for point in (None, *self.around.points):
            decision = self._through(who, point)
            if decision.rank < best.rank:
                best, through = decision, point
                where = f", through access point {point.name}" if point else ""
            if best.rank == 0:
                break
        if best.holds == NO:
            return best, where, False
        part = self._part(who, through)
        if self.around.key is not None:
            best = self._decrypted(who, self.around.key, best)
        return best, where, part

    def _through(self, who: Principal, point: Point | None) -> Decision:
        """Judged for an example of each class of objects that the policies tell apart."""
        objects, whole = self._objects(who, point)
        best = Decision(NO)
        for action in READ_ACTIONS:
            for arn in objects:
                decision = self._one(who, point, action, arn)
                if decision.rank < best.rank:
                    best = decision
                if best.rank == 0:
                    return best
        if not whole and best.rank > 0 and who.policies:
            doubt = "its policies name too many patterns to tell all objects apart"
            return replace(best, holds=depends(doubt), doubts=(*best.doubts, doubt))
        return best

    def _part(self, who: Principal, point: Point | None) -> bool:
        """Whether there are objects that it cannot read at all."""
        objects, _ = self._objects(who, point)
        return any(
            all(self._one(who, point, action, arn).holds == NO for action in READ_ACTIONS)
            for arn in objects
        )

    def _one(self, who: Principal, point: Point | None, action: str, arn: str) -> Decision:
        at = self._request(point)
        decision = decide(who, self._door, action, arn, at)
        if point is not None and decision.holds != NO:
            key = arn.removeprefix(f"{self.scope.arn}/")
            own = decide(who, self._point_door(point), action, f"{point.arn}/object/{key}", at)
            decision = _and(decision, own, point.vpc)
        return self._unless_blocked(who, decision, point)

    def _objects(self, who: Principal, point: Point | None) -> tuple[tuple[str, ...], bool]:
        doors = [self._door] if point is None else [self._door, self._point_door(point)]
        patterns = self._patterns(who, doors, point, self._request(point))
        return iam_classes.examples(patterns, self.scope.objects)

    def _point_door(self, point: Point) -> Door:
        return replace(
            self._door,
            account=point.account,
            policy=Policy(f"policy of access point {point.name}", point.policy),
            doubt=point.doubt,
        )

    def _patterns(
        self, who: Principal, doors: Sequence[Door], point: Point | None, at: Context
    ) -> Iterator[str]:
        context = at.plus(who.context)
        own = [*(who.policies or ()), *([who.boundary] if who.boundary else [])]
        for door in doors:
            own += [door.policy] if door.policy else []
            own += [p for level in (*door.service_control, *door.resource_control) for p in level]
        inside = f"{point.arn}/object/" if point else None
        for statement in {id(s): s for policy in own for s in policy.statements}.values():
            for pattern in statement.resources:
                text, _ = filled(pattern, context, statement.variables)
                if inside is not None and text.startswith(inside):
                    text = f"{self.scope.arn}/{text[len(inside) :]}"
                yield text

    def _request(self, point: Point | None) -> Context:
        """What is known of a request for an object, whoever makes it. What the caller is free to
        choose is chosen so that it is let in: TLS, the newest signature."""
        moment = self.around.now.astimezone(UTC)
        values = {
            "aws:securetransport": "true",
            "aws:currenttime": moment.isoformat(),
            "aws:epochtime": f"{moment.timestamp():.0f}",
            "s3:tlsversion": "1.3",
            "s3:signatureversion": "AWS4-HMAC-SHA256",
            "s3:authtype": "REST-HEADER",
        }
        absent = {"s3:prefix", "s3:delimiter", "s3:max-keys"}
        if self.around.region:
            values["aws:requestedregion"] = self.around.region
        if self.around.owner is not None:
            values["aws:resourceaccount"] = values["s3:resourceaccount"] = self.around.owner
        if point is None:
            absent |= {f"s3:{name}" for name in _POINT_KEYS}
        else:
            values["s3:dataaccesspointarn"] = point.arn
            values["s3:dataaccesspointaccount"] = point.account
            values["s3:accesspointnetworkorigin"] = "VPC" if point.vpc else "Internet"
        return Context({key: (value,) for key, value in values.items()}, frozenset(absent))

    def _unless_blocked(self, who: Principal, decision: Decision, point: Point | None) -> Decision:
        """What RestrictPublicBuckets leaves: the owner's account and services of AWS."""
        state, why = self._restricted
        if point is not None and point.restricted and s3_policy.public(point.policy):
            state = Tri.YES
        owner = self.around.owner
        if decision.holds == NO or state is Tri.NO or who.kind == "service":
            return decision
        if owner is not None and who.account == owner:
            return decision
        if state is Tri.UNKNOWN:
            doubt = f"RestrictPublicBuckets may cut this off: {why}"
            return replace(decision, doubts=(*decision.doubts, doubt))
        seen = {account.id for account in self.around.accounts}
        if owner is not None and (who.account or owner in seen):
            return Decision(NO, "RestrictPublicBuckets")
        only = depends("the account of the bucket's owner (RestrictPublicBuckets)")
        return replace(decision, holds=all_of((decision.holds, only)))

    def _decrypted(self, who: Principal, key: Key, decision: Decision) -> Decision:
        """The same for objects that are encrypted with the bucket's key: whoever may not use the
        key reads only what is encrypted otherwise."""
        door = Door(
            key.account,
            Policy("key policy", key.policy),
            key.doubt,
            delegates=False,
            service_control=self.around.service_control,
            resource_control=self.around.resource_control,
        )
        known = {
            "kms:viaservice": f"s3.{self.around.region}.amazonaws.com",
            "kms:encryptioncontextkeys": "aws:s3:arn",
            "aws:viaawsservice": "true",
        }
        if who.account:
            known["kms:calleraccount"] = who.account
        if key.bucket_key:
            known["kms:encryptioncontext:aws:s3:arn"] = self.scope.arn
        at = self._request(None).plus(Context({name: (text,) for name, text in known.items()}))
        if who.kind == "public":
            at = replace(at, absent=at.absent | {"kms:calleraccount"})
        if key.doubt:
            return replace(decision, doubts=(*decision.doubts, key.doubt))
        own = decide(who, door, DECRYPT, key.arn, at)
        if own.holds == NO:
            only = depends(f"the object not being encrypted with {key.arn}")
            why = f"{DECRYPT} is not allowed" + (f" ({own.via})" if own.via else "")
            holds = all_of((decision.holds, only))
            return replace(decision, holds=holds, via=f"{decision.via}; {why}")
        return _and(decision, own, "")


def _and(one: Decision, other: Decision, vpc: str) -> Decision:
    parts = [one.holds, other.holds, *([depends(f"aws:SourceVpc ({vpc})")] if vpc else [])]
    vias = dict.fromkeys(each for each in (one.via, other.via) if each)
    doubts = tuple(dict.fromkeys((*one.doubts, *other.doubts)))
    unless = tuple(dict.fromkeys((*one.unless, *other.unless)))
    return Decision(all_of(parts), "; ".join(vias), unless, doubts)


_POINT_KEYS = ("dataaccesspointarn", "dataaccesspointaccount", "accesspointnetworkorigin")


# --- principals that a policy names and no document describes -------------------------------------

_ACCOUNT = re.compile(r"(?:arn:aws[a-z-]*:(?:iam|sts)::)?(\d{12})(?::.*)?")


def _stranger(kind: str, name: str) -> Principal:
    found = _ACCOUNT.fullmatch(name) if kind not in ("service", "federated", "other") else None
    account = found[1] if found else ""
    values: dict[str, tuple[str, ...]] = {}
    absent = set() if kind == "service" else set(ONLY_FROM_SERVICES)
    if kind == "service":
        values["aws:principalisawsservice"] = ("true",)
        values["aws:principalservicename"] = (name,)
        absent |= {"aws:principalarn", "aws:principalaccount", "aws:principalorgid"}
    else:
        values["aws:principalisawsservice"] = ("false",)
    if account:
        values["aws:principalaccount"] = (account,)
    if kind in ("user", "role"):
        values["aws:principalarn"] = (name,)
    if kind == "user":
        values["aws:username"] = (name.rpartition("/")[2],)
    elif kind in ("role", "role-session"):
        absent.add("aws:username")
    return Principal(name, kind, account, Context(values, frozenset(absent)))


def _session(session: Principal, known: Iterable[Principal]) -> Iterator[Principal]:
    """A session with the policies of its role, when there is that role."""
    for role in known:
        path, _, name = role.name.partition(":role/")
        if name and f"{path}:role/{name.rpartition('/')[2]}" == session.role:
            last = session.name.rpartition("/")[2]
            userid = role.context.values["aws:userid"][0].removesuffix("*") + last
            context = role.context.plus(Context({"aws:userid": (userid,)}))
            yield replace(role, name=session.name, kind="role-session", context=context)
