"""What the page says, worked out before it is drawn: the template only loops and lays out."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from detectors.records import dataclass
from reports import figures, island, requirements, trend, words
from reports.exposure import Exposure, exposure
from scanner.model import Finding, Outcome, Run, Severity, Status, Verdict

FIRST_FINDINGS = 25
FIRST_OUTCOMES = 50
"""Rows that stand in the page itself, to be read without script."""
PAGE_ONE_STORES = 12

_VERDICT_ORDER = (Verdict.UNPROTECTED, Verdict.UNKNOWN, Verdict.PROTECTED, Verdict.NO_CARD_DATA)


@dataclass(frozen=True, slots=True)
class Headline:
    """The answer to the first question. ``verdict`` gives colour and shape."""

    verdict: Verdict
    title: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of the bar of units: x and width in thousandths."""

    status: Status
    units: int
    x: float
    width: float


@dataclass(frozen=True, slots=True)
class ReasonRow:
    reason: str
    remedy: str
    sampled: int
    skipped: int
    failed: int

    @property
    def total(self) -> int:
        return self.sampled + self.skipped + self.failed


@dataclass(frozen=True, slots=True)
class SeverityRow:
    severity: Severity
    findings: int
    confirmed: int
    possible: int
    count: int
    stores: int


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Findings or outcomes beyond the rows of the page, counted by store and severity or reason."""

    store: str
    what: str
    count: int


@dataclass(frozen=True, slots=True)
class Page:
    run: Run
    headline: Headline
    segments: tuple[Segment, ...]
    reasons: tuple[ReasonRow, ...]
    severities: tuple[SeverityRow, ...]
    occurrences: int
    exposures: tuple[Exposure, ...]
    trend: trend.Trend | None
    findings: tuple[Finding, ...]
    findings_left_out: tuple[LeftOut, ...]
    not_read: tuple[Outcome, ...]
    not_read_left_out: tuple[LeftOut, ...]
    requirements: tuple[tuple[str, str, bool], ...]
    """number, text in our words, True when it is shown as guidance only"""

    @property
    def unprotected(self) -> tuple[Exposure, ...]:
        return tuple(e for e in self.exposures if e.verdict is Verdict.UNPROTECTED)

    @property
    def unprotected_first(self) -> tuple[Exposure, ...]:
        """Those of page one."""
        return self.unprotected[:PAGE_ONE_STORES]

    @property
    def first_findings(self) -> tuple[Finding, ...]:
        return self.findings[:FIRST_FINDINGS]

    @property
    def first_not_read(self) -> tuple[Outcome, ...]:
        return self.not_read[:FIRST_OUTCOMES]


def page(run: Run) -> Page:
    """Everything on the page. The same run gives an equal page."""
    findings = figures.worst_first(run.findings)
    not_read = sorted(
        figures.not_scanned(run),
        key=lambda o: (o.status is Status.SAMPLED, o.status is Status.SKIPPED, o.reason or ""),
    )
    return Page(
        run=run,
        headline=_headline(run),
        segments=_segments(run),
        reasons=_reasons(not_read),
        severities=_severities(run.findings),
        occurrences=figures.occurrences(run.findings),
        exposures=_exposures(run),
        trend=trend.trend(run),
        findings=tuple(findings[: island.ROWS]),
        findings_left_out=_left_out(
            (f.store, str(f.severity).capitalize()) for f in findings[island.ROWS :]
        ),
        not_read=tuple(not_read[: island.ROWS]),
        not_read_left_out=_left_out(
            (o.store, words.reason(o.reason)) for o in not_read[island.ROWS :]
        ),
        requirements=_requirements(run.findings),
    )


_OTHERS = {
    Verdict.UNKNOWN: ("cannot be judged", "cannot be judged"),
    Verdict.PROTECTED: (
        "holds card numbers in protected form only",
        "hold card numbers in protected form only",
    ),
    Verdict.NO_CARD_DATA: ("holds no card data", "hold no card data"),
}
"""What is said of one store and of several."""


def _headline(run: Run) -> Headline:
    count = {verdict: sum(s.verdict is verdict for s in run.stores) for verdict in Verdict}
    bad, unsure = count[Verdict.UNPROTECTED], count[Verdict.UNKNOWN]
    of = f"of {words.plural(len(run.stores), 'store')}"
    lines = []
    if bad:
        verdict = Verdict.UNPROTECTED
        title = f"Card data lies unprotected in {bad:,} {of}"
        pans = sum(s.distinct_pans or 0 for s in run.stores)
        about = "About " if any(s.distinct_pans_estimated for s in run.stores) else ""
        if pans:
            lines.append(
                f"{about}{words.plural(pans, 'distinct card number')} confirmed in readable form,"
                " counted store by store."
            )
    elif unsure or not run.stores:
        verdict = Verdict.UNKNOWN
        title = f"No verdict for {unsure:,} {of}" if run.stores else "Nothing was in scope"
    elif count[Verdict.PROTECTED]:
        verdict = Verdict.PROTECTED
        title = "Card numbers were found only in protected form"
    else:
        verdict = Verdict.NO_CARD_DATA
        title = "No card data was found"
    others = [
        f"{words.plural(count[v], 'store')} {_OTHERS[v][count[v] != 1]}"
        for v in _VERDICT_ORDER
        if count[v] and v is not verdict
    ]
    if others:
        lines.append(f"{'; '.join(others)}.")
    unread = run.coverage.units - run.coverage.scanned
    if unread:
        lines.append(
            f"{words.plural(unread, 'unit')} of {run.coverage.units:,} could not be read in full;"
            " what they hold is not known."
        )
    elif run.coverage.units:
        lines.append(f"All {words.plural(run.coverage.units, 'unit')} in scope were read in full.")
    lines += (f"Evidence not read: {words.unread_evidence(*each)}" for each in run.unread_evidence)
    return Headline(verdict, title, tuple(lines))


def _segments(run: Run) -> tuple[Segment, ...]:
    """Widths by share, at least 8 thousandths each so that one failed unit of a million shows."""
    cover = run.coverage
    counts = (
        (Status.SCANNED, cover.scanned),
        (Status.SAMPLED, cover.sampled),
        (Status.SKIPPED, cover.skipped),
        (Status.FAILED, cover.failed),
    )
    raw = [(s, n, max(8.0, 1000 * n / cover.units)) for s, n in counts if n]
    scale = 1000 / sum(width for _, _, width in raw) if raw else 1
    segments, x = [], 0.0
    for status, units, width in raw:
        segments.append(Segment(status, units, round(x, 1), round(width * scale, 1)))
        x += width * scale
    return tuple(segments)


def _reasons(not_read: Sequence[Outcome]) -> tuple[ReasonRow, ...]:
    counts: dict[str | None, dict[Status, int]] = defaultdict(lambda: dict.fromkeys(Status, 0))
    for outcome in not_read:
        counts[outcome.reason][outcome.status] += 1
    rows = [
        ReasonRow(
            words.reason(code),
            words.remedy(code),
            by[Status.SAMPLED],
            by[Status.SKIPPED],
            by[Status.FAILED],
        )
        for code, by in counts.items()
    ]
    return tuple(sorted(rows, key=lambda r: (-r.total, r.reason)))


def _severities(findings: Sequence[Finding]) -> tuple[SeverityRow, ...]:
    groups: dict[Severity, list[Finding]] = {severity: [] for severity in Severity}
    for found in findings:
        groups[found.severity].append(found)
    rows = []
    for severity, group in groups.items():
        confirmed = sum(map(figures.confirmed, group))
        rows.append(
            SeverityRow(
                severity=severity,
                findings=len(group),
                confirmed=confirmed,
                possible=len(group) - confirmed,
                count=figures.occurrences(group),
                stores=len({f.store for f in group}),
            )
        )
    return tuple(rows)


def _exposures(run: Run) -> tuple[Exposure, ...]:
    """Worst store first: by verdict, then open to the public, then by card numbers."""
    findings: dict[str, list[Finding]] = defaultdict(list)
    outcomes: dict[str, list[Outcome]] = defaultdict(list)
    for found in run.findings:
        findings[found.store].append(found)
    for outcome in run.outcomes:
        outcomes[outcome.store].append(outcome)
    made = [
        exposure(f"store-{i}", report, findings[report.store.uri], outcomes[report.store.uri])
        for i, report in enumerate(run.stores, 1)
    ]
    return tuple(
        sorted(
            made,
            key=lambda e: (
                _VERDICT_ORDER.index(e.verdict),
                not e.public,
                -(e.report.distinct_pans or 0),
                e.report.store.uri,
            ),
        )
    )


def _left_out(rows: Iterable[tuple[str, str]]) -> tuple[LeftOut, ...]:
    counts = Counter(rows)
    return tuple(LeftOut(store, what, n) for (store, what), n in sorted(counts.items()))


def _requirements(findings: Sequence[Finding]) -> tuple[tuple[str, str, bool], ...]:
    cited = {number for found in findings for number in found.requirements}
    numbers = sorted(cited | set(requirements.CITED_ALWAYS), key=requirements.order)
    return tuple((n, requirements.text(n), n in requirements.GUIDANCE) for n in numbers)
