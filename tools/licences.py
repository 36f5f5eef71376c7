"""Writes docs/licences.md: what an installation brings along, and under which licence.

    python -m tools.licences [--check]

It reads what the installed distributions say of themselves (no network), from the ones we require
down to the last that those require. A licence that is not in ``PERMISSIVE`` or ``WEAK`` ends it
with status 1, as does a native library in a wheel of which nobody has looked up the licence.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
CONSTRAINTS = ROOT / "constraints.txt"
NATIVE = "Native libraries in wheels:"
PAGE = ROOT / "docs" / "licences.md"
EXTRAS = ("postgres", "mysql", "names", "statements", "mongodb", "sqlalchemy", "demo")
"""in the order of pyproject.toml, without ``keyring``, which ``dev`` does not install; what is only
in ``dev`` is never in an installation"""
SPOKEN = {
    "MIT License": "MIT",
    "MIT license": "MIT",
    "BSD License": "BSD-3-Clause",
    "BSD": "BSD-3-Clause",
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache Software License": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "Apache 2.0": "Apache-2.0",
    "ISC License (ISCL)": "ISC",
    "ISC License": "ISC",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "GNU Library or Lesser General Public License (LGPL)": "LGPL-3.0-or-later",
    "LGPL": "LGPL-3.0-or-later",
    "Dual License": "Apache-2.0 OR BSD-3-Clause",
}
"""how older metadata puts it; read against the licence files of those that say no more"""
PERMISSIVE = {
    "0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "CC0-1.0", "CNRI-Python",
    "ISC", "MIT", "MIT-0", "PSF-2.0", "Unlicense", "Zlib",
}  # fmt: skip
WEAK = {"LGPL-2.1-or-later", "LGPL-3.0-only", "LGPL-3.0-or-later", "MPL-2.0"}
"""may be used by a program of any licence, as it is and exchangeable"""
LIBRARIES = {
    "libcom_err": "MIT",
    "libcrypt": "LGPL-2.1-or-later",
    "libcrypto": "Apache-2.0",
    "libgfortran": "GPL-3.0-or-later WITH GCC-exception-3.1",
    "libgssapi_krb5": "MIT",
    "libk5crypto": "MIT",
    "libkeyutils": "LGPL-2.1-or-later",
    "libkrb5": "MIT",
    "libkrb5support": "MIT",
    "liblber": "OLDAP-2.8",
    "libldap": "OLDAP-2.8",
    "libpq": "PostgreSQL",
    "libquadmath": "LGPL-2.1-or-later",
    "libsasl2": "BSD-4-Clause-UC",
    "libscipy_openblas64_": "BSD-3-Clause",
    "libssl": "Apache-2.0",
}
"""native libraries that wheels carry beside their own, looked up one by one. The exception of GCC's
run-time libraries lets programs of any licence be linked with them."""
HEAD = """# Licences

What an installation brings along, as each distribution says of itself; made by `make licences`,
and compared with what is installed in the tests. The base has permissive licences, and of the weak
copyleft ones LGPL and MPL: such a library is used as it comes, and can be exchanged. No GPL, no
AGPL. What is only needed to develop (extra `dev`) is never in an installation and not listed.
"""
TAIL = """
What a wheel links statically (Hyperscan, RE2 and Abseil, ISA-L, DuckDB, the Rust crates of obstore
and pydantic-core) is told by its own licence files; the metadata does not list it. `en_core_web_sm`
was trained on OntoNotes 5, which its makers licensed; WordNet's licence is in the package. The
extra `keyring` was looked at by hand: keyring, backports.tarfile, jaraco.classes, jaraco.context,
jaraco.functools, jeepney, more-itertools, zipp MIT; SecretStorage BSD-3-Clause; importlib-metadata
Apache-2.0; cryptography as above.
"""


class Unknown(Exception):
    pass


@dataclass
class Part:
    """A distribution, its licence in SPDX's words, and the extras that bring it ("": the base)."""

    name: str
    licence: str
    by: set[str] = field(default_factory=set)


def said_of(dist: metadata.Distribution) -> str:
    told = dist.metadata
    said = told.get("License-Expression") or told.get("License") or ""
    if not said or said == "UNKNOWN" or len(said) > 80:
        classes = [c for c in told.get_all("Classifier") or [] if c.startswith("License ::")]
        said = classes[0].rpartition(" :: ")[2] if classes else ""
    said = SPOKEN.get(said, said)
    words = set(re.split(r"\s+(?:AND|OR|WITH)\s+|[()]", said)) - {""}
    if not words or not words <= PERMISSIVE | WEAK:
        raise Unknown(f"{told['Name']}: its licence is {said!r}, which is not among the known ones")
    return said


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def required(name: str, extras: set[str]) -> Iterator[tuple[str, set[str]]]:
    for text in metadata.distribution(name).requires or ():
        requirement = Requirement(text)
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": each}) for each in extras | {""}):
            yield normal(requirement.name), set(requirement.extras)


def closure(extra: str) -> set[str]:
    """All that comes with the project and one of its extras, itself left out. What is not installed
    here (another platform, an extra nobody asked for) is left out too."""
    seen: set[tuple[str, str]] = set()
    todo = [("cardtrail", {extra})]
    while todo:
        name, extras = todo.pop()
        for needed, more in required(name, extras):
            try:
                metadata.distribution(needed)
            except metadata.PackageNotFoundError:
                continue
            new = {(needed, each) for each in more | {""}} - seen
            if new:
                seen |= new
                todo.append((needed, more))
    return {name for name, _ in seen} - {"cardtrail"}


def parts() -> list[Part]:
    """Everything, by name. Raises ``Unknown``."""
    found: dict[str, Part] = {}
    base = closure("")
    for extra in ("", *EXTRAS):
        for name in closure(extra) - (base if extra else set()):
            dist = metadata.distribution(name)
            part = found.setdefault(name, Part(dist.metadata["Name"], said_of(dist)))
            part.by.add(extra)
    return sorted(found.values(), key=lambda part: normal(part.name))


def libraries(of: list[Part]) -> list[tuple[str, str, str]]:
    """(library, its licence, the distribution that carries it). Raises ``Unknown``."""
    found = set()
    for part in of:
        for path in metadata.distribution(part.name).files or ():
            if path.parts[0].endswith(".libs") and ".so" in path.name:
                name = re.sub(r"(-[0-9a-f]{8})*\.so.*", "", path.name)
                if name not in LIBRARIES:
                    raise Unknown(f"{part.name} carries {path.name}: look up its licence")
                found.add((name, LIBRARIES[name], part.name))
    return sorted(found)


def page() -> str:
    all_parts = parts()
    rows = [f"| {p.name} | {p.licence} | {', '.join(sorted(p.by)) or 'base'} |" for p in all_parts]
    natives = [f"| {name} | {licence} | {by} |" for name, licence, by in libraries(all_parts)]
    return "\n".join(
        [
            *(HEAD, "| distribution | licence | comes with |", "|---|---|---|", *rows, ""),
            *(NATIVE, "", "| library | licence | in |", "|---|---|---|"),
            *natives,
            TAIL,
        ]
    )


def main() -> int:
    try:
        text = page()
    except Unknown as error:
        print(f"licences: {error}", file=sys.stderr)
        return 1
    if "--check" not in sys.argv:
        PAGE.write_text(text)
        return 0
    written = PAGE.read_text().splitlines()
    wrong = [line for line in text.splitlines() if line not in written]
    pinned = {normal(line.partition("==")[0]) for line in CONSTRAINTS.read_text().splitlines()}
    # another Python needs a few less: what is written and not installed only has to be pinned
    wrong += [
        line
        for line in written[: written.index(NATIVE)]
        if line.startswith("| ")
        and normal(line.split()[1]) not in pinned | {"distribution", "setuptools"}
    ]
    for line in wrong:
        print(f"licences: not as in docs/licences.md (make licences): {line}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
