"""Paths of a configuration count from the folder of its file, wherever the command runs (a cron job
names the file with ``--config``); paths on the command line count from where it runs."""

from __future__ import annotations

import os
from collections.abc import MutableMapping, Sequence
from pathlib import Path
from typing import Any

from scanner.config import Settings

STORE_OPTIONS = ("identities", "scps", "password_file", "ssl_ca", "tls_ca")
EVIDENCE_OPTIONS = ("uri", "store", "selectors", "public_keys")
_FILE_SCHEMES = ("sqlite:///", "duckdb:///")


def anchor(settings: Settings, base: Path) -> None:
    """Makes every path absolute that ``settings`` holds, as read from a file in ``base``, but for
    the ledger's."""
    for store in settings.store:
        store.uri = absolute(store.uri, base)
        _anchor_options(store.options, STORE_OPTIONS, base)
    for evidence in settings.evidence:
        _anchor_options(evidence.options, EVIDENCE_OPTIONS, base)
        if isinstance(opened := evidence.options.get("resources"), dict):
            stores = dict(opened)
            _anchor_options(stores, list(stores), base)
            evidence.options["resources"] = stores
    for table, names in (
        (settings, ("recognisers",)),
        (settings.key, ("file",)),
        (settings.snooping, ("watch", "tickets")),
    ):
        for name in names:
            if path := getattr(table, name, None):
                setattr(table, name, absolute(path, base))


def _anchor_options(options: MutableMapping[str, Any], names: Sequence[str], base: Path) -> None:
    for name in names:
        if isinstance(path := options.get(name), str) and path:
            options[name] = absolute(path, base)


def absolute(uri: str, base: Path) -> str:
    """A path, or the uri of a database in a file, as seen from ``base``; other uris as they are."""
    for scheme in _FILE_SCHEMES:
        if uri.startswith(scheme) and not uri.startswith(f"{scheme}/"):
            path = uri.removeprefix(scheme)
            return uri if os.path.lexists(f"/{path}") else f"{scheme}{base / path}"
    if "://" in uri:
        return uri
    return os.path.normpath(base / Path(uri).expanduser())
