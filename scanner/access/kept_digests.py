"""What CloudTrail's digests and log files said of themselves, in the fact store and out of it.

What is kept is sealed, and digits of CloudTrail's own would be changed by that where they look
like a card number: hashes, and in names the account with the day before it
(``1/2026/11/20/123456789012``). These are kept in letters. The rest of a name is anybody's choice,
and goes through sealing as it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from scanner.access import public_keys
from scanner.access.book import Book
from scanner.access.digests import Checked, Digest, Named, check, delivered
from scanner.contracts import OpenFiles
from scanner.factview import View

_DIGEST, _LOG = "digest", "log file"
_LETTERS = str.maketrans("0123456789abcdef", "ghijklmnopqrstuv")
_BACK = str.maketrans("ghijklmnopqrstuv", "0123456789abcdef")
_OWN = re.compile(
    "((?:20[0-9]{2}/[01][0-9]/[0-3][0-9]/)?(?<![0-9])[0-9]{12})"
    "(?=/CloudTrail-Digest/|_CloudTrail(?:-Digest)?_)"
)
"""in a name what CloudTrail wrote there: the account, behind the day it stands under"""


def hidden(name: str) -> str:
    """``name`` in lines, of which every second one is CloudTrail's own, in letters."""
    pieces = _OWN.split(name.replace("\n", " "))
    return "\n".join(
        piece.translate(_LETTERS) if at % 2 else piece for at, piece in enumerate(pieces)
    )


def shown(kept: str) -> str:
    """The name again; also of fact files that have names as they are."""
    pieces = kept.split("\n")
    return "".join(piece.translate(_BACK) if at % 2 else piece for at, piece in enumerate(pieces))


class _Kept(msgspec.Struct, array_like=True):
    """A digest; every hexadecimal number in letters, names as ``hidden`` has them."""

    place: str
    chain: str
    start: datetime
    end: datetime
    sha256: str
    fingerprint: str
    files: list[tuple[str, str, datetime | None, datetime | None]]
    before: str | None
    before_sha256: str | None
    before_signature: str | None


_KEPT = msgspec.json.Decoder(_Kept)


def keep(book: Book, digest: Digest) -> None:
    kept = _Kept(
        hidden(digest.place),
        hidden(digest.chain),
        digest.start,
        digest.end,
        digest.sha256.translate(_LETTERS),
        digest.fingerprint.translate(_LETTERS),
        [(hidden(f.name), f.sha256.translate(_LETTERS), f.oldest, f.newest) for f in digest.files],
        None if digest.before is None else hidden(digest.before),
        None if digest.before_sha256 is None else digest.before_sha256.translate(_LETTERS),
        None if digest.before_signature is None else digest.before_signature.translate(_LETTERS),
    )
    book.say(_DIGEST, digest.end, msgspec.json.encode(kept).decode())


def keep_log(book: Book, name: str, sha256: str) -> None:
    """The hash of a log file with a name as CloudTrail gives it."""
    when = delivered(name)
    if when is None:
        return
    book.say(_LOG, when, f"{hidden(name)} {sha256.translate(_LETTERS)}")


def checked(view: View, settings: Mapping[str, Any], open_files: OpenFiles) -> Checked:
    """What the digests of the window say of the log files. Asks for public keys as the settings
    tell."""
    digests = [found for _, text in view.said(_DIGEST) if (found := _digest(text))]
    if not digests:
        return Checked()
    logs: dict[str, str] = {}
    for _, text in view.said(_LOG):
        kept, _, written = text.partition(" ")
        name, sha256 = shown(kept), written.translate(_BACK)
        # two of one name that differ: one of them is not as it was delivered
        logs[name] = sha256 if logs.get(name, sha256) == sha256 else ""
    keys, faults = None, list[str]()
    if settings.get("public_keys"):
        keys, faults = public_keys.from_file(str(settings["public_keys"]), open_files)
    elif settings.get("trail"):
        regions = sorted({digest.region for digest in digests} - {""})
        keys, faults = public_keys.look_up(settings, regions, view.window)
    result = check(digests, logs, view.window, keys)
    result.remarks.extend(faults)
    return result


def _digest(text: str) -> Digest | None:
    try:
        kept = _KEPT.decode(text)
    except msgspec.MsgspecError:  # sealing changed it: no digest of CloudTrail's
        return None
    return Digest(
        shown(kept.place),
        shown(kept.chain),
        kept.start,
        kept.end,
        kept.sha256.translate(_BACK),
        kept.fingerprint.translate(_BACK),
        tuple(Named(shown(name), sha.translate(_BACK), a, b) for name, sha, a, b in kept.files),
        None if kept.before is None else shown(kept.before),
        None if kept.before_sha256 is None else kept.before_sha256.translate(_BACK),
        None if kept.before_signature is None else kept.before_signature.translate(_BACK),
    )
