"""What an engineer needs before a release, as plain text for a terminal.

Store by store, worst first: the verdict, what lies there, who could and did read it, whether anyone
can tell, and the worst findings with places that an editor opens (``path:line:column``). Then how
much was read and what was not. No escape sequences; sentences are wrapped to 80 columns, while
paths are left whole so that they can be copied.
"""

from __future__ import annotations

import os
import textwrap
from collections.abc import Iterator, Sequence
from urllib.parse import unquote_to_bytes

from reports import figures, words
from reports.exposure import Exposure
from reports.page import page
from scanner.model import Finding, Location, Outcome, Run, Severity, Verdict
from scanner.text import printable

WIDTH = 80
STORES = 10
"""Stores told in full; the others get a line, and past ``LINES`` of those a count."""
LINES = 10
WORST = 3
UNREAD = 5


def lines(run: Run) -> list[str]:
    """The summary, a printable line each, without line ends. The same run, the same lines."""
    return [printable(line) for line in _lines(run)]


def _lines(run: Run) -> Iterator[str]:
    view = page(run)
    only = figures.only_units(run)
    told = [e for e in view.exposures if e.verdict in {Verdict.UNPROTECTED, Verdict.UNKNOWN}]
    yield view.headline.title
    for it in told[:STORES]:
        yield ""
        yield from _store(it, [f for f in view.findings if f.store == it.report.store.uri], only)
    rest = [e for e in view.exposures if e not in told[:STORES]]
    if rest:
        yield ""
        for it in rest[:LINES]:
            yield f"{words.VERDICTS[it.verdict].upper()}  {it.report.store.uri}"
            if it.contents:  # no cards, or none that lie open: personal data and secrets may
                yield from _said(f"In it: {'; '.join(it.contents)}.")
        if len(rest) > LINES:
            yield f"and {words.plural(len(rest) - LINES, 'more store')}"
    yield ""
    yield from _found(run)
    yield from _read(run, view.not_read, only)


def _store(it: Exposure, findings: Sequence[Finding], only: dict[str, str]) -> Iterator[str]:
    store = it.report.store
    yield f"{words.VERDICTS[it.verdict].upper()}  {store.uri}"
    what = [words.store_kind(store), store.environment or "environment not stated"]
    what += [it.expected.lower() if store.expected is not None else "not stated whether expected"]
    what += [f"owner {store.owner}" if store.owner else "no owner"]
    yield from _said(", ".join(what))
    yield from _said(it.report.sentence)
    if it.contents:
        yield from _said(f"In it: {'; '.join(it.contents)}.")
    yield from _said(f"Could read: {'. '.join(it.could)}.")
    yield from _said(f"Did read: {', '.join(it.did)}.")
    yield from _said(f"Can anyone tell? {it.tell}")
    for reads in it.readers[:WORST]:
        for flag in reads.flags[:1]:
            yield from _said(f"! {reads.principal}: {flag.sentence}")
    for found in _worst(findings):
        value = f" {found.masked}" if found.masked else ""
        values = f", {words.plural(found.distinct, 'value')}" if found.distinct > 1 else ""
        yield (
            f"  {found.severity:8} {words.entity(found.entity)}{value},"
            f" {found.state}{values}, {words.plural(found.count, 'time')}"
        )
        yield f"           {full_place(found.store, found.unit, found.location, only)}"


def _worst(findings: Sequence[Finding]) -> list[Finding]:
    """The worst of each kind first, then the next worst; nothing below medium."""
    bad = [f for f in findings if f.severity.rank <= Severity.MEDIUM.rank]
    # the rest past the limit has no place to go to
    bad = [f for f in bad if f.location is not None] or bad
    kinds: dict[tuple[str, str], Finding] = {}
    for found in bad:
        kinds.setdefault((found.entity, found.state), found)
    first = list(kinds.values())
    return figures.worst_first((first + [f for f in bad if f not in first])[:WORST])


def _found(run: Run) -> Iterator[str]:
    by = figures.by_severity(run.findings)
    said = ", ".join(f"{n:,} {severity}" for severity, n in by.items() if n)
    yield from _said(
        f"Found: {words.plural(len(run.findings), 'finding')}{f' ({said})' if said else ''}.", 0
    )


def _read(run: Run, not_read: Sequence[Outcome], only: dict[str, str]) -> Iterator[str]:
    cover = run.coverage
    excluded = f"; {cover.excluded:,} excluded" if cover.excluded else ""
    yield from _said(
        f"Read: {cover.scanned:,} of {words.plural(cover.units, 'unit')} in full,"
        f" {words.size(cover.bytes_scanned)} of {words.size(cover.bytes)} known{excluded}.",
        0,
    )
    for each in run.unread_evidence:
        yield from _said(f"Evidence not read: {words.unread_evidence(*each)}", 0)
    if not not_read:
        return
    unread = cover.units - cover.scanned
    yield f"Not read in full: {words.plural(unread, 'unit')}. What they hold is not known:"
    for outcome in not_read[:UNREAD]:
        place = full_place(outcome.store, outcome.unit, None, only)
        yield f"  {outcome.status:8} {words.reason(outcome.reason)}: {place}"
        why = [outcome.detail.rstrip("."), words.remedy(outcome.reason).rstrip(".")]
        said = ". ".join(_sentence(text) for text in why if text)
        yield from _said(f"{said}." if said else "", 11)
    if unread > UNREAD:
        yield f"  and {unread - UNREAD:,} more, all of them in the report"


def _sentence(text: str) -> str:
    """With a capital, unless it begins with the name of an option."""
    return text[0].upper() + text[1:] if text.split(" ")[0].isalpha() else text


def _said(text: str, indent: int = 2) -> list[str]:
    """Wrapped. Made printable first: a line end in a name must not begin a line of ours."""
    return textwrap.wrap(
        printable(text),
        WIDTH,
        initial_indent=" " * indent,
        subsequent_indent=" " * (indent + 2),
        break_long_words=False,
        break_on_hyphens=False,
    )


def full_place(store: str, unit: str, location: Location | None, only: dict[str, str]) -> str:
    """Where something lies, as a path for files and as ``uri/unit`` for all else; ``only`` as
    ``figures.only_units`` gives it."""
    base = store
    if store.startswith("file://"):
        base = os.fsdecode(unquote_to_bytes(store.removeprefix("file://")))
        if only.get(store) == unit and base.endswith(f"/{unit}"):
            return words.path_place(base, location)
    return words.path_place(f"{base.rstrip('/')}/{unit}", location)
