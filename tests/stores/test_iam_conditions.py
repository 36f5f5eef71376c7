"""Conditions and policy variables, asked through whole policies. Cases of the IAM user guide
("Condition operators", "Policy variables", "Global condition context keys")."""

from __future__ import annotations

from typing import Any

import pytest

from scanner.stores.s3_facts import Scope
from tests.stores.policies import (
    BUCKET,
    OWN,
    ROLE,
    USER,
    account,
    around,
    document,
    judged,
    statement,
    states,
    via,
)

# --- conditions and variables ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("condition", "state"),
    [
        ({"Bool": {"aws:SecureTransport": "true"}}, "allow"),
        ({"StringEquals": {"aws:username": "ann"}}, "allow"),
        ({"StringEquals": {"aws:username": "Ann"}}, None),
        ({"StringEqualsIgnoreCase": {"AWS:UserName": "ANN"}}, "allow"),
        ({"StringLike": {"aws:username": ["bob", "a*"]}}, "allow"),
        ({"StringNotEquals": {"aws:username": ["bob", "ann"]}}, None),
        ({"StringNotLike": {"aws:username": "b*"}}, "allow"),
        ({"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:user/a*"}}, "allow"),
        ({"ArnEquals": {"aws:PrincipalArn": "arn:aws:iam::*:role/*"}}, None),
        ({"StringEquals": {"aws:PrincipalTag/team": "cards"}}, "allow"),
        ({"StringEquals": {"aws:PrincipalTag/Team": "web"}}, None),
        ({"StringEquals": {"aws:PrincipalTag/Other": "x"}}, None),
        ({"StringEqualsIfExists": {"aws:PrincipalTag/Other": "x"}}, "allow"),
        ({"Null": {"aws:PrincipalTag/Team": "false"}}, "allow"),
        ({"Null": {"aws:PrincipalTag/Team": "true"}}, None),
        ({"DateGreaterThan": {"aws:CurrentTime": "2026-01-01T00:00:00Z"}}, "allow"),
        ({"DateLessThan": {"aws:CurrentTime": "2026-01-01T00:00:00Z"}}, None),
        ({"NumericGreaterThanEquals": {"s3:TlsVersion": "1.2"}}, "allow"),
        ({"StringEquals": {"aws:ResourceAccount": OWN}}, "allow"),
        ({"StringEquals": {"aws:PrincipalOrgID": "o-mine"}}, "allow"),
        ({"StringEquals": {"aws:PrincipalOrgID": "o-other"}}, None),
        ({"StringEquals": {"aws:SourceAccount": OWN}}, None),
        ({"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}, "conditional"),
        ({"Bool": {"aws:MultiFactorAuthPresent": "true"}}, "conditional"),
        ({"StringEquals": {"s3:ExistingObjectTag/pci": "no"}}, "conditional"),
        ({"StringSparkles": {"aws:username": "ann"}}, "conditional"),
        ({"ForAllValues:StringEquals": {"aws:TagKeys": ["a"]}}, "conditional"),
        ({"ForAnyValue:StringLike": {"aws:PrincipalOrgPaths": ["o-mine/*"]}}, "conditional"),
        ({"StringEquals": {"aws:username": []}}, None),
    ],
)
def test_conditions(condition: dict[str, Any], state: str | None) -> None:
    known = around(account(user=(statement(Condition=condition),)), organisation="o-mine")
    assert states(judged(known)).get(USER) == state
    denied = around(
        account(user=(statement(), statement("Deny", Condition=condition))), organisation="o-mine"
    )
    opposite = {"allow": None, None: "allow", "conditional": "conditional"}[state]
    assert states(judged(denied)).get(USER) == opposite


def test_a_condition_names_its_keys_and_who_may_take_it_back() -> None:
    away = {"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}
    found = judged(around(account(user=(statement(Condition=away),))))
    assert via(found, USER) == "inline policy own, statement 1; depends on aws:sourceip"
    deny = statement(
        "Deny", Sid="Net", Principal="*", Condition={"NotIpAddress": away["IpAddress"]}
    )
    found = judged(around(account(user=(statement(),))), deny)
    assert via(found, USER) == (
        "inline policy own, statement 1; depends on aws:sourceip; may be refused by bucket policy,"
        " statement Net"
    )


def test_two_conditions_must_both_hold() -> None:
    body = {"StringEquals": {"aws:username": "bob"}, "IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}
    assert states(judged(around(account(user=(statement(Condition=body),))))) == {}


def test_policy_variables() -> None:
    home = statement(Resource=f"{BUCKET}/home/${{aws:username}}/*")
    known = around(account(group=(home,), role=(home,)))
    assert states(judged(known, scope=Scope("b", "home/ann"))) == {USER: "allow"}
    assert states(judged(known, scope=Scope("b", "home/bob"))) == {}  # and a role has no user name
    tagged = statement(Resource=f"{BUCKET}/${{aws:PrincipalTag/team, 'none'}}/*")
    known = around(account(group=(tagged,)))
    assert states(judged(known, scope=Scope("b", "cards"))) == {USER: "allow"}
    asked = statement(Resource=f"{BUCKET}/${{aws:SourceVpc}}/*")
    assert states(judged(around(account(group=(asked,))))) == {USER: "conditional"}
    # in the older policy language a variable is a text
    old = {
        "UserPolicyList": [
            {"PolicyName": "old", "PolicyDocument": document(home, version="2008-10-17")}
        ]
    }
    assert states(judged(around(account(**old)), scope=Scope("b", "home/ann"))) == {}


def test_the_session_of_a_role_is_named_by_whoever_takes_it() -> None:
    def role(value: str) -> str | None:
        condition = {"StringLike": {"aws:userid": value}}
        return states(judged(around(account(role=(statement(Condition=condition),))))).get(ROLE)

    assert role("AROAETL:*") == "allow"
    assert role("AROAETL:nightly") == "conditional"
    assert role("AROAOTHER:*") is None


def test_a_principal_of_the_organisation() -> None:
    """The usual statement: everybody of our organisation."""
    body = statement(Principal="*", Condition={"StringEquals": {"aws:PrincipalOrgID": "o-mine"}})
    found = judged(around(account(), organisation="o-mine"), body)
    assert states(found) == {USER: "allow", ROLE: "allow", "everyone": "conditional"}
    ours = statement(Principal="*", Condition={"StringEquals": {"aws:PrincipalAccount": OWN}})
    assert states(judged(around(account()), ours)) == {USER: "allow", ROLE: "allow"}
