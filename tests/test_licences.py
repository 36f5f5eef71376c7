"""What an installation brings along has licences we take, and docs/licences.md names them."""

from __future__ import annotations

import email.message
import sys
from importlib import metadata

import pytest

from tools import licences


def test_the_page_names_what_is_installed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["licences", "--check"])
    assert licences.main() == 0, capsys.readouterr().err


@pytest.mark.parametrize(
    "field",
    [
        ("License-Expression", "AGPL-3.0-only"),
        ("License-Expression", "MIT AND GPL-3.0-or-later"),
        ("License", "GPL"),
        ("License", "UNKNOWN"),
        ("Classifier", "License :: OSI Approved :: GNU General Public License v3 (GPLv3)"),
    ],
)
def test_a_licence_we_do_not_take_is_named(field: tuple[str, str]) -> None:
    told = email.message.Message()
    told["Name"] = "viral"
    told[field[0]] = field[1]

    class Told(metadata.Distribution):
        metadata = told  # type: ignore[assignment]

        def read_text(self, filename: str) -> None: ...
        def locate_file(self, path: object) -> None: ...  # type: ignore[override]

    with pytest.raises(licences.Unknown, match="viral"):
        licences.said_of(Told())
