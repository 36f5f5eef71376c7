"""One direction of imports, and heavy ones only where they belong."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PIPELINE = {
    *("__main__", "assemble", "cli", "commands", "compose", "config", "counting", "engine"),
    *(
        "flow",
        "forked",
        "hygiene",
        "inquiry",
        "key",
        "ledger",
        "paths",
        "personal",
        "pipeline",
        "planning",
        "preload",
        "progress",
    ),
    *(
        "recognisers",
        "registry",
        "rowfind",
        "rowkey",
        "seal",
        "session",
        "settle",
        "silent",
        "starter",
        "tally",
        "verdict",
        "walk",
        "work",
    ),
    *(
        "combined",
        "company",
        "rowcompany",
        "fieldtally",
        "fieldverdict",
        "kinds",
        "sketch",
        "unitprofile",
    ),
}
"""modules of ``scanner`` above the plug-ins; all others lie below them, and may be used by them"""
MIDDLE = {"scanner.stores", "scanner.readers", "scanner.access", "detectors", "reports"}
SHARED = ("detectors.base", "detectors.compiled", "detectors.records")
"""types that everybody may use, the compiled passes, and how records are made"""
STANDARD_LIBRARY_ONLY = {
    "detectors.base",
    "detectors.records",
    "scanner.model",
    "scanner.errors",
    "scanner.contracts",
    "scanner.text",
}
HEAVY = {
    "boto3": {"scanner.stores", "scanner.access"},
    "botocore": {"scanner.stores", "scanner.access"},
    "obstore": {"scanner.stores"},
    "psycopg": {"scanner.stores"},
    "pymysql": {"scanner.stores"},
    "duckdb": {"scanner.duckfile", "scanner.duckrows", "scanner.readers.duckdb"}
    | {"scanner.facts", "scanner.factfile", "scanner.factcontents"}
    | {"scanner.factview", "scanner.factwindow"},
    "jinja2": {"reports"},
    "numpy": {
        *("detectors", "scanner.windows", "scanner.prints", "scanner.readers", "scanner.access"),
        *("scanner.fieldtally", "scanner.sketch", "scanner.seal", "scanner.tally"),
        "scanner.rowcompany",
        *(
            "scanner.facts",
            "scanner.factfile",
            "scanner.factview",
            "scanner.factreads",
            "scanner.factwindow",
        ),
    },
    "isal": {"scanner.readers", "scanner.access"},
    "pebble": {"scanner.engine", "scanner.workerpool"},
    "keyring": {"scanner.key"},
    "sqlglot": {"scanner.statements"},
    "presidio_analyzer": set(),
    "detect_secrets": set(),
    "sqlalchemy": {"scanner.stores"},
    "pymongo": {"scanner.stores"},
    "spacy": set(),
    "moto": set(),
}


def modules() -> list[Path]:
    return sorted(
        path for top in ("scanner", "detectors", "reports") for path in (ROOT / top).rglob("*.py")
    )


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def package_of(module: str) -> str:
    return next((m for m in MIDDLE if module == m or module.startswith(m + ".")), "")


def layer(module: str) -> str:
    """``pipeline``, ``base`` or neither."""
    parts = module.split(".")
    if parts[0] != "scanner" or len(parts) == 1 or package_of(module):
        return ""
    return "pipeline" if parts[1] in PIPELINE else "base"


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_direction(path: Path) -> None:
    module, own = name_of(path), package_of(name_of(path))
    for imported in imports(path):
        if imported.startswith(SHARED):
            continue
        top = imported.split(".")[0]
        if module in STANDARD_LIBRARY_ONLY and top not in ("scanner", "detectors", "__future__"):
            assert top in sys.stdlib_module_names, f"{module} imports {imported}"
        for heavy, allowed in HEAVY.items():
            if top == heavy:
                at_home = any(module == a or module.startswith(a + ".") for a in allowed)
                assert at_home, f"{module} imports {imported}"
        if own == "detectors":
            assert top not in ("scanner", "reports"), f"{module} imports {imported}"
        elif own:
            foreign = package_of(imported)
            assert foreign in ("", own), f"{module} imports {imported}: the middle ones do not meet"
            assert layer(imported) != "pipeline", f"{module} imports {imported}"
        elif layer(module) == "base":
            assert not package_of(imported), f"{module} imports {imported}"
            assert layer(imported) != "pipeline", f"{module} imports {imported}"
        elif package_of(imported) and module not in (
            "scanner.cli",
            "scanner.compose",
            "scanner.personal",
            "scanner.preload",
        ):
            late = module in ("scanner.commands", "scanner.registry")
            light = ("detectors", "detectors.iin", "detectors.luhn", "detectors.fieldstats")
            light += (
                "detectors.company",
                "detectors.pii_grid",
                "detectors.keys",
                "detectors.looks",
                "detectors.splithash",
            )
            tables = imported.startswith(light[1:]) or imported == light[0]
            assert late or tables, f"{module} imports {imported}"


def test_help_is_fast_because_it_loads_nothing() -> None:
    """Counted, not timed: none of the heavy packages is loaded for ``--help``."""
    code = (
        "import sys\nfrom scanner.cli import app\n"
        "try: app(['scan', '--help'])\nexcept SystemExit: pass\n"
        f"print([name for name in {[*HEAVY, 'msgspec', 'pathspec']} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.splitlines()[-1] == "[]", done.stdout + done.stderr


def test_plug_ins_are_cheap_to_find() -> None:
    """Finding every plug-in loads none of the heavy packages either."""
    code = (
        "import sys\nfrom scanner import registry\n"
        "registry.readers()\n"
        "[list(found()) for found in (registry.stores, registry.evidence, registry.reports)]\n"
        "print([name for name in ('boto3', 'obstore', 'jinja2', 'numpy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr
