"""Severity, requirements, verdicts and exit statuses, by their tables."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.base import State
from scanner import verdict
from scanner.errors import ExitCode
from scanner.model import (
    Fact,
    Finding,
    Outcome,
    RunCoverage,
    Severity,
    Status,
    Store,
    Tri,
    Verdict,
)

PUBLIC = (Fact("public-access", Tri.YES, "by policy"),)


def store(environment: str | None = None, expected: bool | None = None) -> Store:
    return Store("s3://b", "s3", environment, expected)


def finding(
    entity: str = "CREDIT_CARD", state: State = State.CLEAR, confidence: float = 0.97
) -> Finding:
    level = verdict.severity(entity, state, confidence, store(), ())
    return Finding(
        store="s3://b",
        unit="u",
        detector="pan",
        entity=entity,
        brands=(),
        masked=None,
        fingerprint="00",
        distinct=1,
        count=1,
        confidence=confidence,
        severity=level,
        state=state,
        location=None,
        locations=(),
        requirements=(),
        why=(),
    )


READ = RunCoverage(units=2, scanned=2)
PARTLY = RunCoverage(units=2, scanned=1, failed=1)


@pytest.mark.parametrize(
    ("entity", "state", "confidence", "where", "facts", "expected"),
    [
        ("CREDIT_CARD", State.CLEAR, 0.97, store("production"), (), Severity.HIGH),
        ("CREDIT_CARD", State.ENCODED, 0.97, store(), (), Severity.HIGH),
        ("CREDIT_CARD", State.CLEAR, 0.97, store(), PUBLIC, Severity.CRITICAL),
        ("CREDIT_CARD", State.CLEAR, 0.97, Store("file:///s", "files"), PUBLIC, Severity.HIGH),
        ("CREDIT_CARD", State.CLEAR, 0.97, store("staging"), (), Severity.CRITICAL),
        ("CREDIT_CARD", State.CLEAR, 0.5, store("staging"), PUBLIC, Severity.MEDIUM),
        ("CREDIT_CARD", State.TRUNCATED, 0.97, store(), PUBLIC, Severity.INFO),
        ("CREDIT_CARD", State.TEST, 0.97, store("production"), (), Severity.LOW),
        ("CREDIT_CARD", State.TEST, 0.97, store("staging"), (), Severity.INFO),
        ("CVV", State.CLEAR, 0.9, store(), (), Severity.CRITICAL),
        ("TRACK_2", State.CLEAR, 0.9, store("production", True), (), Severity.CRITICAL),
        ("PAN_HASH", State.HASHED, 0.9, store(), (), Severity.HIGH),
    ],
)
def test_severity(
    entity: str,
    state: State,
    confidence: float,
    where: Store,
    facts: tuple[Fact, ...],
    expected: Severity,
) -> None:
    assert verdict.severity(entity, state, confidence, where, facts) is expected


@pytest.mark.parametrize(
    ("entity", "state", "where", "expected"),
    [
        ("CREDIT_CARD", State.CLEAR, store("production", True), ("3.5.1",)),
        ("CREDIT_CARD", State.CLEAR, store("production", False), ("3.5.1", "12.10.7")),
        ("CREDIT_CARD", State.CLEAR, store("uat"), ("3.5.1", "6.5.5")),
        ("CREDIT_CARD", State.TEST, store("production"), ("6.5.6",)),
        ("CREDIT_CARD", State.TEST, store("dev", False), ()),
        ("CREDIT_CARD", State.TRUNCATED, store("production", False), ()),
        ("TRACK_1", State.CLEAR, store(), ("3.3.1.1", "3.3.1")),
        ("CVV", State.CLEAR, store(expected=False), ("3.3.1.2", "3.3.1", "12.10.7")),
        ("PIN_BLOCK", State.CLEAR, store(), ("3.3.1.3", "3.3.1")),
        ("PAN_HASH", State.HASHED, store(), ("3.5.1.1", "3.5.1")),
        ("EMAIL_ADDRESS", State.CLEAR, store(), ()),
    ],
)
def test_requirements(entity: str, state: State, where: Store, expected: tuple[str, ...]) -> None:
    assert verdict.requirements(entity, state, where) == expected


@pytest.mark.parametrize(
    ("findings", "coverage", "expected"),
    [
        ([], READ, Verdict.NO_CARD_DATA),
        ([], PARTLY, Verdict.UNKNOWN),
        ([], RunCoverage(), Verdict.UNKNOWN),
        ([finding()], READ, Verdict.UNPROTECTED),
        ([finding()], PARTLY, Verdict.UNPROTECTED),
        ([finding(entity="CVV")], READ, Verdict.UNPROTECTED),
        ([finding(entity="PAN_HASH", state=State.HASHED)], READ, Verdict.UNPROTECTED),
        ([finding(confidence=0.5)], READ, Verdict.UNKNOWN),
        ([finding(state=State.TRUNCATED)], READ, Verdict.PROTECTED),
        ([finding(state=State.TRUNCATED, confidence=0.5)], READ, Verdict.PROTECTED),
        ([finding(state=State.TRUNCATED)], PARTLY, Verdict.UNKNOWN),
        ([finding(state=State.TEST)], READ, Verdict.NO_CARD_DATA),
        ([finding(entity="EMAIL_ADDRESS")], READ, Verdict.NO_CARD_DATA),
    ],
)
def test_verdict(findings: list[Finding], coverage: RunCoverage, expected: Verdict) -> None:
    answer, sentence = verdict.verdict(findings, coverage)
    assert answer is expected
    assert sentence.endswith(".")


@pytest.mark.parametrize(
    ("findings", "coverage", "expected"),
    [
        ([], READ, ExitCode.OK),
        ([finding()], READ, ExitCode.FINDINGS),
        ([], PARTLY, ExitCode.INCOMPLETE),
        ([finding()], PARTLY, ExitCode.FINDINGS_AND_INCOMPLETE),
        ([finding(confidence=0.5)], READ, ExitCode.OK),
    ],
)
def test_exit_status(findings: list[Finding], coverage: RunCoverage, expected: ExitCode) -> None:
    assert verdict.exit_code(findings, coverage.complete, Severity.HIGH) is expected


@given(st.lists(st.sampled_from(list(Status)), max_size=30))
def test_the_four_add_up_to_units(statuses: list[Status]) -> None:
    outcomes = [
        Outcome("s", f"u{i}", each, None if each is Status.SCANNED else "encrypted", bytes=5)
        for i, each in enumerate(statuses)
    ]
    parts = [verdict.coverage_of(outcomes[:7]), verdict.coverage_of(outcomes[7:])]
    whole = verdict.add_coverage(parts, 2)
    assert whole.units == len(statuses)
    assert whole.units == whole.scanned + whole.sampled + whole.skipped + whole.failed
    assert sum(whole.reasons.values()) == whole.skipped + whole.failed
    assert sum(whole.reasons_in_part.values()) == whole.sampled
    assert whole.complete == all(each is Status.SCANNED for each in statuses)


def test_words_are_not_put_in_where_a_store_was_not_read() -> None:
    _, sentence = verdict.verdict([], PARTLY)
    assert "1 of 2 units" in sentence and "no card data" not in sentence
