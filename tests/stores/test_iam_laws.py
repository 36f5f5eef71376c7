"""Laws of the evaluator over any policies, and a slow reference that shares no code with it."""

from __future__ import annotations

import fnmatch
import itertools
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from scanner.stores import iam_account, iam_classes, s3_policy
from scanner.stores.iam_conditions import NO, YES, Context, Holds, all_of, any_of, depends
from scanner.stores.s3_controls import Answer
from scanner.stores.s3_facts import Scope
from scanner.stores.s3_readers import Readers, Surroundings, readers
from tests.stores.policies import OTHER, OWN, USER, account, document
from tests.stores.test_s3_facts import PRIVATE, policy

RANK = {None: 0, "unknown": 1, "conditional": 1, "allow": 2}

patterns = st.text("ab*?", min_size=1, max_size=5)
KEYS = ["".join(each) for n in (1, 2, 3) for each in itertools.product("abc", repeat=n)]


# --- which objects there are ----------------------------------------------------------------------


def matches(pattern: str, text: str) -> bool:
    return fnmatch.fnmatchcase(text, pattern)


@given(st.lists(patterns, max_size=4))
def test_every_class_of_objects_has_an_example(found: list[str]) -> None:
    arns = [f"x/{pattern}" for pattern in found]
    examples, whole = iam_classes.examples(arns, ["x/*"])
    assert whole and all(each.startswith("x/") and len(each) > 2 for each in examples)
    classes = {tuple(matches(arn, each) for arn in arns) for each in examples}
    for key in KEYS:
        assert tuple(matches(arn, f"x/{key}") for arn in arns) in classes


def test_too_many_patterns_are_said() -> None:
    many = [f"x/*{'ab' * (n % 7)}{n}*" for n in range(40)]
    examples, whole = iam_classes.examples(many, ["x/*"])
    assert not whole and len(examples) > 30
    assert iam_classes.examples(many, ["x/one"]) == (("x/one",), True)


# --- three values ---------------------------------------------------------------------------------

holds = st.sampled_from([YES, NO, depends("a"), depends("b")])


def could_be(value: Holds) -> set[bool]:
    return {True, False} if value.keys else {value.yes}


@given(st.lists(holds, max_size=4))
def test_and_and_or_leave_out_no_answer(parts: list[Holds]) -> None:
    for join, over in ((all_of, all), (any_of, any)):
        really = {over(each) for each in itertools.product(*(could_be(part) for part in parts))}
        assert really <= could_be(join(parts))
        assert join(parts).keys <= {key for part in parts for key in part.keys}
    assert all(~~part == part for part in parts)


# --- a reference ----------------------------------------------------------------------------------

ACTIONS = ("s3:GetObject", "s3:GetObjectVersion", "s3:PutObject", "s3:*", "s3:Get*", "*")
ARNS = ("*", "arn:aws:s3:::b/*", "arn:aws:s3:::b/a*", "arn:aws:s3:::b/*c", "arn:aws:s3:::c/*")


@st.composite
def statements(draw: st.DrawFn, principals: bool = False) -> dict[str, Any]:
    body: dict[str, Any] = {"Effect": draw(st.sampled_from(["Allow", "Allow", "Deny"]))}
    body[draw(st.sampled_from(["Action", "Action", "NotAction"]))] = draw(
        st.lists(st.sampled_from(ACTIONS), min_size=1, max_size=2)
    )
    body[draw(st.sampled_from(["Resource", "Resource", "NotResource"]))] = draw(
        st.lists(st.sampled_from(ARNS), min_size=1, max_size=2)
    )
    if principals:
        who = st.sampled_from(["*", {"AWS": USER}, {"AWS": OWN}, {"AWS": OTHER}])
        body["Principal"] = draw(who)
    if draw(st.integers(0, 3)) == 0:
        body["Condition"] = {"StringLike": {"aws:username": draw(st.sampled_from(["ann", "b*"]))}}
    return body


lists = st.lists(statements(), max_size=3)
maybe = st.none() | lists
buckets = st.lists(statements(principals=True), max_size=3)


def applies(body: dict[str, Any], action: str, arn: str, named: bool) -> bool:
    if not named:
        return False
    acts = [matches(each.lower(), action.lower()) for each in _of(body, "Action")]
    if any(acts) is ("NotAction" in body):
        return False
    res = [matches(each, arn) for each in _of(body, "Resource")]
    if any(res) is ("NotResource" in body):
        return False
    wanted = body.get("Condition", {}).get("StringLike", {}).get("aws:username")
    return wanted is None or matches(wanted, "ann")


def _of(body: dict[str, Any], key: str) -> list[str]:
    found: list[str] = body[key] if key in body else body[f"Not{key}"]
    return found


def is_user(body: dict[str, Any]) -> bool:
    return body["Principal"] in ("*", {"AWS": USER})


def reference(
    identity: list[Any], boundary: list[Any] | None, bucket: list[Any], scp: list[Any] | None
) -> bool:
    """Whether the user can read any of ``KEYS``, by trying all of them."""
    for key, action in itertools.product(KEYS, iam_account.READ_ACTIONS):
        arn = f"arn:aws:s3:::b/{key}"
        own = [s for part in (identity, boundary or [], scp or []) for s in part]
        denied = any(s["Effect"] == "Deny" and applies(s, action, arn, True) for s in own) or any(
            s["Effect"] == "Deny"
            and applies(s, action, arn, is_user(s) or s["Principal"] == {"AWS": OWN})
            for s in bucket
        )
        if denied:
            continue

        def lets(part: list[Any], action: str = action, arn: str = arn) -> bool:
            return any(s["Effect"] == "Allow" and applies(s, action, arn, True) for s in part)

        by_identity = lets(identity) and (boundary is None or lets(boundary))
        by_bucket = any(
            s["Effect"] == "Allow" and applies(s, action, arn, is_user(s)) for s in bucket
        )
        if (by_identity or by_bucket) and (scp is None or lets(scp)):
            return True
    return False


def evaluated(
    identity: list[Any], boundary: list[Any] | None, bucket: list[Any], scp: list[Any] | None
) -> Readers:
    edge = None if boundary is None else tuple(boundary)
    levels = () if scp is None else iam_account.levels([document(*scp)], "scp")
    known = Surroundings(
        OWN,
        (account(user=tuple(identity), boundary=edge),),
        service_control=levels,
        now=datetime(2026, 3, 1, tzinfo=UTC),
        doubts=(),
    )
    controls = replace(PRIVATE, policy=policy(document(*bucket)) if bucket else Answer())
    return readers(controls, Scope("b"), known, lambda name: name)


def state(found: Readers) -> str | None:
    return next((grant.state for grant in found.grants if grant.principal == USER), None)


@settings(max_examples=120)
@given(lists, maybe, buckets, maybe)
def test_as_the_reference_says(
    identity: list[Any], boundary: list[Any] | None, bucket: list[Any], scp: list[Any] | None
) -> None:
    can = reference(identity, boundary, bucket, scp)
    assert state(evaluated(identity, boundary, bucket, scp)) == ("allow" if can else None)


# --- laws -----------------------------------------------------------------------------------------

conditions = st.sampled_from(
    [
        {"StringEquals": {"aws:username": "ann"}},
        {"StringEquals": {"aws:username": "bob"}},
        {"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}},
        {"StringNotEquals": {"aws:PrincipalTag/Team": "cards"}},
        {"Null": {"aws:SourceVpc": "false"}},
    ]
)


@st.composite
def conditioned(draw: st.DrawFn, principals: bool = False) -> dict[str, Any]:
    return {**draw(statements(principals)), **({"Condition": draw(conditions)})}


some = st.lists(statements() | conditioned(), max_size=3)
some_bucket = st.lists(statements(True) | conditioned(True), max_size=3)


def ranks(found: Readers) -> dict[tuple[str, str], int]:
    return {(grant.kind, grant.principal): RANK[grant.state] for grant in found.grants}


def narrower(after: Readers, before: Readers) -> bool:
    had = ranks(before)
    return all(rank <= had.get(who, 0) for who, rank in ranks(after).items())


@given(some, some | st.none(), some_bucket, statements() | conditioned())
def test_a_deny_never_widens(
    identity: list[Any], boundary: list[Any] | None, bucket: list[Any], deny: dict[str, Any]
) -> None:
    deny = {**deny, "Effect": "Deny"}
    before = evaluated(identity, boundary, bucket, None)
    assert narrower(evaluated([*identity, deny], boundary, bucket, None), before)
    everybody = {**deny, "Principal": "*"}
    assert narrower(evaluated(identity, boundary, [*bucket, everybody], None), before)


@given(some, some, some_bucket, some)
def test_a_boundary_and_a_control_policy_never_widen(
    identity: list[Any], boundary: list[Any], bucket: list[Any], scp: list[Any]
) -> None:
    before = evaluated(identity, None, bucket, None)
    assert narrower(evaluated(identity, boundary, bucket, None), before)
    assert narrower(evaluated(identity, None, bucket, scp), before)


@given(some, some | st.none(), some_bucket, statements() | conditioned())
def test_an_allow_never_narrows(
    identity: list[Any], boundary: list[Any] | None, bucket: list[Any], allow: dict[str, Any]
) -> None:
    allow = {**allow, "Effect": "Allow"}
    before = evaluated(identity, boundary, bucket, None)
    assert narrower(before, evaluated([*identity, allow], boundary, bucket, None))


@given(some, some_bucket)
def test_the_order_of_statements_does_not_matter(identity: list[Any], bucket: list[Any]) -> None:
    one, other = evaluated(identity, None, bucket, None), None
    other = evaluated(identity[::-1], None, bucket[::-1], None)
    assert ranks(one) == ranks(other)


@given(some, some_bucket)
def test_a_part_of_a_bucket_is_open_to_no_more_than_all_of_it(
    identity: list[Any], bucket: list[Any]
) -> None:
    known = Surroundings(OWN, (account(user=tuple(identity)),), doubts=())
    controls = replace(PRIVATE, policy=policy(document(*bucket)))
    whole = readers(controls, Scope("b"), known, lambda name: name)
    part = readers(controls, Scope("b", "a"), known, lambda name: name)
    assert narrower(part, whole)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)


@given(
    st.dictionaries(
        st.sampled_from(["UserDetailList", "RoleDetailList", "GroupDetailList", "Policies"]),
        st.lists(
            st.dictionaries(
                st.sampled_from(
                    ["Arn", "UserPolicyList", "GroupList", "Tags", "AttachedManagedPolicies"]
                ),
                json_values | st.just(USER),
            ),
            max_size=2,
        )
        | json_values,
    )
)
def test_any_document_is_an_account_or_is_refused_in_words(body: dict[str, Any]) -> None:
    try:
        found = iam_account.account(body)
    except iam_account.BadDocument as error:
        assert "expected" in str(error)
    else:
        known = Surroundings(OWN, (found,), doubts=())
        readers(PRIVATE, Scope("b"), known, lambda name: name)


def test_the_context_knows_what_is_absent() -> None:
    context = Context({"aws:principaltag/a": ("x",)}, frozenset({"aws:principaltag/"}))
    assert context.lacks("aws:principaltag/b") and not context.lacks("aws:principaltag/a")
    assert not context.lacks("aws:other") and s3_policy.covers("a*", "ab")
