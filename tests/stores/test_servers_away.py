"""A server that is away is a store that was not read, and no end of the scan. About two seconds."""

from __future__ import annotations

import json

from tests.conftest import Cardtrail

KINDS = ("mysql", "postgresql", "mongodb", "postgresql+psycopg")


def test_a_scan_of_servers_that_are_away_ends(cardtrail: Cardtrail) -> None:
    stores = "".join(
        f'[[store]]\nuri = "{kind}://u@127.0.0.1:1/x"\npatience = 0\n' for kind in KINDS
    )
    (cardtrail.cwd / "cardtrail.toml").write_text(stores)
    done = cardtrail("scan", "-q", "--format", "json")
    assert done.code == 3, done.err
    assert done.out.count('"endpoint-unreachable"') == len(KINDS)
    for store in json.loads(done.out)["stores"]:
        if store["kind"] in (
            "mysql",
            "postgresql",
        ):  # the others tell how they were asked to connect
            assert {fact["state"] for fact in store["protection"]} == {"unknown"}, store
