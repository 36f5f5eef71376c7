"""The page: strict policy, no request, harmless names, and the answers in their order."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace

import pytest
from hypothesis import given, settings

from reports import island
from reports.html import REPORT
from scanner.model import Access, Coverage, Evidence, Reads, Run, Status
from tests import runs
from tests.reports.drawing import Page, column, draw
from tests.watched import watched

SAMPLES = {"sample": runs.sample(), "empty": runs.empty(), "hostile": runs.hostile()}


@pytest.fixture(params=SAMPLES)
def html(request: pytest.FixtureRequest) -> str:
    return draw(REPORT, SAMPLES[request.param])


def policy(page: Page) -> dict[str, str]:
    (meta,) = [m for m in page.all("meta") if m.get("http-equiv") == "Content-Security-Policy"]
    parts = (part.strip().partition(" ") for part in meta["content"].split(";"))
    return {name: value for name, _, value in parts}


def test_policy_allows_nothing_but_the_one_style_and_the_one_script(html: str) -> None:
    page = Page(html)
    allowed = policy(page)
    assert allowed["default-src"] == "'none'"
    assert allowed["base-uri"] == allowed["form-action"] == "'none'"
    for tag, directive in (("style", "style-src"), ("script", "script-src")):
        (body,) = re.findall(rf"<{tag}>(.*?)</{tag}>", html, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
        assert allowed[directive] == f"'sha256-{digest}'"
    assert set(allowed) == {"default-src", "style-src", "script-src", "base-uri", "form-action"}


def test_no_request_no_inline_style_no_handler(html: str) -> None:
    page = Page(html)
    loading = {"src", "srcset", "data", "poster", "background", "action", "formaction", "ping"}
    for tag, attributes in page.elements:
        assert tag not in {"link", "img", "iframe", "object", "embed", "base", "audio", "video"}
        assert not loading & set(attributes)
        assert "style" not in attributes
        assert not [name for name in attributes if name.startswith("on")]
        if "href" in attributes:
            assert attributes["href"].startswith("#")
    style = "".join(text for tag, text in page.texts if tag == "style")
    assert "url(" not in style
    assert "@import" not in style


def test_readable_by_assistive_tools(html: str) -> None:
    page = Page(html)
    assert page.all("html")[0]["lang"] == "en"
    tables, captions = page.all("table"), page.all("caption")
    assert len(tables) == len(captions)
    assert all(th.get("scope") in {"col", "row"} for th in page.all("th"))
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in page.elements:
        if attributes.get("href", "#top").startswith("#") and "href" in attributes:
            assert attributes["href"][1:] in ids
        assert attributes.get("aria-labelledby") in {*ids, None}


def test_the_same_run_is_the_same_page() -> None:
    assert draw(REPORT, runs.sample()) == draw(REPORT, runs.sample())


def test_hostile_names_come_out_harmless() -> None:
    html = draw(REPORT, runs.hostile())
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\ufeff]", html)
    html.encode("utf-8")  # no lone surrogate
    page = Page(html)
    assert len(page.all("script")) == 2
    assert not page.all("img")
    said = page.text()
    for shown in (
        "<script>alert(1)</script>",
        r"line\none\r\ntwo\ttab",
        r"\x1b[31mred",
        r"\u202egpj.exe",
        r"undecodable\xff\x80",
        "{{ 7*7 }}",
    ):
        assert shown in said
    units = column(page.island()["findings"], "unit")
    assert "</script><img src=x onerror=alert(1)>" in units


@settings(max_examples=20)
@given(runs.runs())
def test_any_run_makes_a_well_formed_page_without_control_characters(run: Run) -> None:
    html = draw(REPORT, run)
    page = Page(html)
    assert page.open == []
    assert len(page.all("script")) == 2
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\ufeff]", html)


def test_answers_stand_in_order() -> None:
    said = Page(draw(REPORT, runs.sample())).text()
    answers = (
        "Card data lies unprotected in 4 of 5 stores",
        "How much was read",
        "Access was denied",
        "Findings by severity",
        "Unprotected stores",
        "4,218 distinct card numbers in readable form",
        "Anyone: it is public",
        "At least 3 principals, 1,515 reads",
        "In part: the record of reads has gaps",
        "Close public access today.",
        "686 fewer distinct card numbers",
        "Store by store",
    )
    place = said.index("Method and limits")  # the end of the contents
    for answer in answers:
        place = said.index(answer, place)


def test_store_without_evidence_says_cannot_tell_and_never_zero() -> None:
    said = Page(draw(REPORT, runs.sample())).text()
    payments = said[said.index("owner: payments") :]
    payments = payments[: payments.index("owner: shop-backend")]
    assert "No: there is no record of reads to look at." in payments
    assert "Did read: cannot tell. This is not “nobody”" in payments
    assert "Nobody" not in payments
    assert "0 reads" not in payments


def test_nobody_is_said_under_complete_evidence_only() -> None:
    assert "Did read: Nobody, in the whole window" in Page(draw(REPORT, runs.empty())).text()
    whole = Access(evidence=(Evidence("log", Coverage.PARTIAL, None, None, "."),))
    run = runs.empty()
    run = replace(run, stores=tuple(replace(s, access=whole) for s in run.stores))
    said = Page(draw(REPORT, run)).text()
    assert "Nobody, in the whole window" not in said
    assert "Did read: cannot tell. This is not “nobody”" in said


def test_could_and_did_and_what_would_be_enough() -> None:
    shown = Page(draw(REPORT, watched())).text()
    assert "never since 2025-12-02" in shown
    assert "could and did: 2; did and could not (how?): 1, former;" in shown
    assert "could and never did since 2025-12-02: 6." in shown
    assert "SELECT granted to analysts 5 1 0 48,112" in shown
    assert 'REVOKE SELECT ON TABLE "public"."cards" FROM "analysts";' in shown
    assert "5 principals as far as is known" in shown and "At least" not in shown
    without = replace(
        watched(),
        stores=tuple(
            replace(each, access=replace(each.access, evidence=())) for each in watched().stores
        ),
    )
    blind = Page(draw(REPORT, without)).text()
    assert "never since" not in blind and "could and never did" not in blind
    assert "REVOKE" not in blind and "No least grant can be proposed" in blind


def test_a_number_the_source_does_not_tell_is_not_told() -> None:
    whole = (Evidence("log", Coverage.COMPLETE, None, None, "."),)
    run = runs.empty()
    access = Access(evidence=whole, did_read=(Reads("someone", 5),))
    run = replace(run, stores=tuple(replace(s, access=access) for s in run.stores))
    said = Page(draw(REPORT, run)).text()
    row = said[said.rindex("someone") :]
    assert row.startswith("someone 5 not told not told not told not told not told")


def test_response_block_for_an_unexpected_store_only() -> None:
    said = Page(draw(REPORT, runs.sample())).text()
    heading = "Response, PCI DSS 12.10.7"
    # three of the four stores with clear card numbers do not expect them, or nobody said
    assert said.count(heading) == 3
    dumps = said[said.index(heading) :][:2500]
    assert "What is done with the card numbers that were found?" in dumps
    assert "4,218 distinct card numbers in readable form. In 8 units" in dumps
    assert "Is sensitive authentication data stored with them?" in dumps
    assert "Where did they come from, and how did they get here?" in dumps
    assert "How is the leak fixed" in dumps
    assert heading not in Page(draw(REPORT, runs.empty())).text()


def test_first_findings_and_unread_units_are_readable_without_script() -> None:
    run = runs.sample()
    page = Page(draw(REPORT, run))
    said = page.text()
    assert "The worst 25 of 54 findings" in said
    assert "line 138, column 23" in said
    for outcome in run.outcomes:
        if outcome.status is not Status.SCANNED:
            assert outcome.unit in said


def test_details_have_fifteen_places_at_most() -> None:
    page = Page(draw(REPORT, runs.sample()))
    places = column(page.island()["findings"], "places")
    assert max(place.count(";") for place in places) == 14
    assert places[1].startswith("138,23;141,23;")  # line, column


def test_rows_beyond_the_page_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(island, "ROWS", 40)
    run = runs.large(100)
    page = Page(draw(REPORT, run))
    assert page.island()["findings"]["n"] == 40
    said = page.text()
    table = said[said.index("Beyond the 40 worst findings") : said.index("Not read, or not in")]
    counts = [int(n) for n in re.findall(r"(?:Critical|High|Medium|Low|Info) (\d+)", table)]
    assert sum(counts) == 60
