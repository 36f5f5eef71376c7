"""Any run at all, for hypothesis: any text in every field that can come from data."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import strategies as st

from scanner.model import (
    Access,
    Coverage,
    DayReads,
    Evidence,
    Fact,
    Finding,
    Flag,
    Grant,
    Location,
    ObjectReads,
    Outcome,
    Reads,
    Run,
    Severity,
    Status,
    Store,
    StoreReport,
    Tri,
    Verdict,
)
from tests.fieldparts import beside_cards, named
from tests.hostile import HOSTILE
from tests.runparts import make_run

_text = st.text(max_size=12) | st.sampled_from(HOSTILE)
_times = st.datetimes(
    min_value=datetime(1990, 1, 1), max_value=datetime(2090, 1, 1), timezones=st.just(UTC)
)
_maybe_time = st.none() | _times
_number = st.none() | st.integers(0, 10**15)
_position = st.none() | st.integers(1, 10**9)
_locations = st.builds(
    Location,
    offset=_number,
    line=_position,
    column=_position,
    member=st.none() | _text,
    page=_position,
    sheet=st.none() | _text,
    row=_position,
    field=st.none() | _text,
)
_flags = st.lists(st.builds(Flag, rule=_text, sentence=_text), max_size=2).map(tuple)
_access = st.builds(
    Access,
    window_start=_maybe_time,
    window_end=_maybe_time,
    evidence=st.lists(
        st.builds(
            Evidence,
            source=_text,
            coverage=st.sampled_from(Coverage),
            start=_maybe_time,
            end=_maybe_time,
            detail=_text,
            unparsed=st.integers(0, 9),
        ),
        max_size=2,
    ).map(tuple),
    public=st.sampled_from(Tri),
    could_read_known=st.booleans(),
    could_read=st.lists(
        st.builds(
            Grant,
            principal=_text,
            kind=_text,
            state=st.sampled_from(["allow", "conditional", "unknown"]),
            via=_text,
            last_read=_maybe_time,
        ),
        max_size=3,
    ).map(tuple),
    did_read=st.lists(
        st.builds(
            Reads,
            principal=_text,
            reads=_number,
            rows=_number,
            bytes=_number,
            objects=_number,
            denied=_number,
            first=_maybe_time,
            last=_maybe_time,
            flags=_flags,
        ),
        max_size=3,
    ).map(tuple),
    days=st.lists(
        st.builds(
            DayReads,
            day=st.dates(),
            reads=_number,
            card_reads=_number,
            whole=st.booleans(),
        ),
        max_size=2,
    ).map(tuple),
    objects=st.lists(
        st.builds(
            ObjectReads,
            unit=_text,
            principals=st.integers(1, 9),
            reads=st.integers(0, 10**15),
            bytes=_number,
            rows=_number,
            first=_times,
            last=_times,
        ),
        max_size=2,
    ).map(tuple),
)


# few choices: generating a run is slow enough
_columns = st.sampled_from(
    [
        {"fields_further": 3},
        *({"fields": (named(name),), "beside": beside_cards()} for name in HOSTILE),
    ]
)


@st.composite
def _findings(draw: st.DrawFn, store: str, unit: str) -> Finding:
    rest = draw(st.booleans())
    places = draw(st.lists(_locations, max_size=15))
    return Finding(
        store=store,
        unit=unit,
        detector=draw(st.sampled_from(["pan", "track", "pii"])),
        entity=draw(st.sampled_from(["CREDIT_CARD", "TRACK_1", "CVV", "EMAIL_ADDRESS"])),
        brands=draw(st.sampled_from([(), ("visa",), ("discover", "unionpay")])),
        masked=None if rest else draw(st.sampled_from([None, "411111******1111"])),
        fingerprint=None if rest else draw(st.uuids()).hex,
        distinct=draw(st.integers(1, 9)) if rest else 1,
        count=draw(st.integers(9, 10**12)),
        confidence=draw(st.floats(0.0, 1.0)),
        severity=draw(st.sampled_from(Severity)),
        state=draw(st.sampled_from(["clear", "encoded", "test", "truncated", "hashed"])),
        location=places[0] if places else None,
        locations=tuple(places),
        requirements=draw(st.sampled_from([(), ("3.5.1",), ("3.3.1", "3.3.1.1")])),
        why=tuple(draw(st.lists(_text, max_size=2))),
    )


@st.composite
def runs(draw: st.DrawFn) -> Run:
    """Up to three stores with up to four units each and any text anywhere."""
    stores, found, outcomes = [], [], []
    for uri in sorted(draw(st.sets(_text, min_size=1, max_size=3))):
        store = Store(
            uri,
            draw(st.sampled_from(["s3", "files", "sqlite"])),
            draw(st.none() | _text),
            draw(st.sampled_from([True, False, None])),
            draw(st.none() | _text),
        )
        protection = st.builds(Fact, control=_text, state=st.sampled_from(Tri), detail=_text)
        stores.append(
            StoreReport(
                store=store,
                verdict=draw(st.sampled_from(Verdict)),
                sentence=draw(_text),
                distinct_pans=draw(_number),
                distinct_pans_estimated=draw(st.booleans()),
                findings=0,
                protection=tuple(draw(st.lists(protection, max_size=3))),
                access=draw(_access),
                **draw(_columns),
            )
        )
        for unit in draw(st.sets(_text, max_size=4)):
            found += draw(st.lists(_findings(uri, unit), max_size=3))
            outcomes.append(
                Outcome(
                    store=uri,
                    unit=unit,
                    status=draw(st.sampled_from(Status)),
                    reason=draw(st.sampled_from(["encrypted", "access-denied", "corrupt"])),
                    detail=draw(_text),
                    bytes=draw(st.integers(0, 10**12)),
                    size=draw(_number),
                    fraction=draw(st.none() | st.floats(0.0, 1.0)),
                )
            )
    return make_run(stores, found, outcomes)
