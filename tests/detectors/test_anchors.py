"""The hits that are found over arrays are those that Hyperscan reports."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from detectors import pii_anchors, pii_plan
from detectors.pii_fastpass import BITS
from detectors.pii_settings import version

_PIECES = st.sampled_from(
    (
        *(
            b"415-555-2671",
            b"415.555.2671",
            b"415 555-2671",
            b"(415) 555",
            b"(41)555",
            b"(41555)-6",
        ),
        *(b"1", b"23", b"456", b"7890", b"a@b", b"%@\xe9", b"\xe9@1", b"@", b"_", b"x", b"\xff"),
        *(b"\n", b"(", b")", b"-", b".", b" ", b"+", b"\0"),
    )
)


@given(st.lists(_PIECES, max_size=24).map(b"".join))
def test_arrays_find_what_hyperscan_finds(data: bytes) -> None:
    plan = pii_plan.plan(version())
    mask = (1 << BITS) - 1
    wanted = [hit for hit in plan.fast.hits(data) if hit & mask in pii_anchors.FOUND_HERE]
    assert sorted(pii_anchors.hits(data).tolist()) == wanted
    assert plan.crowded(data).tolist() == plan.fast.hits(data)
