"""What the commands do. Data goes to stdout, everything else to stderr."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import sys
from collections.abc import Mapping, Sequence
from dataclasses import field
from datetime import UTC, datetime
from importlib import import_module
from itertools import chain
from pathlib import Path
from typing import Any

import msgspec

from detectors.records import dataclass
from scanner import (
    compose,
    config,
    key,
    paths,
    personal,
    recognisers,
    registry,
    session,
    statefolder,
    verdict,
)
from scanner.assemble import assemble
from scanner.config import Settings, StoreTable
from scanner.contracts import Report
from scanner.errors import ConfigError, ExitCode, NothingInScope, UsageError
from scanner.ledger import Ledger, now
from scanner.model import Run, Severity
from scanner.progress import Progress, Quiet, human_bytes, human_seconds
from scanner.seal import Sealer
from scanner.text import plural, printable


@dataclass(slots=True)
class ScanRequest:
    """Options of ``scan`` and ``plan`` as given; None and empty mean "not given"."""

    targets: Sequence[str] = ()
    config: Path | None = None
    ledger: Path | None = None
    outputs: Sequence[Path] = ()
    format_name: str | None = None
    overrides: Mapping[str, Any] = field(default_factory=dict)
    exclude: Sequence[str] = ()
    key_file: Path | None = None
    quiet: bool = False
    exit_zero: bool = False


# --- scan and resume


def scan(request: ScanRequest) -> ExitCode:
    outputs = _outputs(request.outputs, request.format_name)
    settings, file = _settings(request)
    stores = compose.resolve_stores(settings, file)
    path = request.ledger or _ledger_path(settings, request.config)
    session.refuse_to_write_into(stores, path)
    if settings.quick:
        for uri in compose.read_in_full(stores):
            print(f"--quick: read in full, no store of tables: {printable(uri)}", file=sys.stderr)
    with contextlib.closing(Ledger(path, create=True)) as ledger:
        return _carry_out(session.begin(ledger, settings, stores, file), request, outputs)


def resume(request: ScanRequest, run: str | None) -> ExitCode:
    if request.targets:
        raise UsageError("--resume goes on with the targets of its run: name none")
    outputs = _outputs(request.outputs, request.format_name)
    settings, _ = _settings(request)
    with _ledger(request.ledger, settings, request.config) as ledger:
        opened = session.resume(ledger, run)
        for name in ("jobs", "fail_on"):
            if request.overrides.get(name) is not None:
                setattr(opened.settings, name, getattr(settings, name))
        return _carry_out(opened, request, outputs)


def _carry_out(
    opened: session.Session, request: ScanRequest, outputs: list[tuple[Report, Path | None]]
) -> ExitCode:
    listener = Quiet() if request.quiet else Progress()
    said = not request.quiet and all(path is not None for _, path in outputs)
    try:
        run = session.carry_out(opened, listener, _load_summary if said else lambda: None)
    finally:
        listener.close()
    if run.coverage.units == 0:
        raise NothingInScope(
            f"nothing in scope: {', '.join(map(printable, run.targets))} "
            + ("has nothing in it" if len(run.targets) == 1 else "have nothing in them")
            + (
                f" but {plural(run.coverage.excluded, 'excluded name')}"
                if run.coverage.excluded
                else ""
            )
        )
    _write_all(run, outputs)
    if said:
        _summarise(run, outputs)
    code = verdict.exit_code(run.findings, run.status == "complete", opened.settings.fail_on)
    if request.exit_zero:
        return {
            ExitCode.FINDINGS: ExitCode.OK,
            ExitCode.FINDINGS_AND_INCOMPLETE: ExitCode.INCOMPLETE,
        }.get(code, code)
    return code


def _load_summary() -> None:
    """While the workers are busy: what it takes is not to be waited for at the end."""
    import_module("reports.summary")


def _summarise(run: Run, outputs: Sequence[tuple[Report, Path | None]]) -> None:
    from reports.summary import lines

    for line in lines(run):
        print(line)
    for _, path in outputs:
        print(f"wrote {path}", file=sys.stderr)


# --- plan


def plan(request: ScanRequest, *, as_json: bool) -> ExitCode:
    from scanner.planning import plan_store

    settings, file = _settings(request)
    stores = compose.resolve_stores(settings, file)
    excluder = compose.Excluder(settings.exclude)
    kinds = registry.stores()
    jobs = settings.jobs or len(os.sched_getaffinity(0))
    # no key is needed for names that are only shown once
    seal_name = Sealer(secrets.token_bytes(32)).name
    plans = [
        plan_store(kinds[store.kind], store, excluder.of(store), seal_name, jobs)
        for store in stores
    ]
    logs = [
        plan_store(kinds[place.kind], place, lambda name, folder: False, seal_name, jobs, source)
        for source, place in compose.logs_of(settings, file)
    ]
    if as_json:
        print(json.dumps([msgspec.to_builtins(each) for each in (*plans, *logs)], indent=2))
    else:
        for each in (*plans, *logs):
            print("\n".join(map(printable, each.lines())))
        total = sum(each.bytes for each in plans)
        seconds = sum(each.seconds for each in plans)
        units = sum(each.units for each in plans)
        print(
            f"in all: {plural(units, 'unit')}, {human_bytes(total)}, about"
            f" {human_seconds(seconds)} with "
            f"{plural(jobs, 'job')}, about ${sum(each.dollars for each in plans):.2f} in requests"
        )
    if not any(each.units for each in plans):
        return ExitCode.INCOMPLETE if any(p.problems for p in plans) else ExitCode.NOTHING_IN_SCOPE
    return ExitCode.INCOMPLETE if any(each.problems for each in plans) else ExitCode.OK


# --- the rest


def init(path: Path) -> None:
    from scanner.starter import STARTER

    try:
        with path.open("x", encoding="utf-8") as out:
            out.write(STARTER)
    except FileExistsError:
        raise UsageError(f"{path} exists; name another file, or edit it") from None
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None
    print(f"wrote {path}; say what to scan in it, then: cardtrail plan", file=sys.stderr)


def runs(config_path: Path | None, ledger_path: Path | None) -> None:
    settings, _ = _settings(ScanRequest(config=config_path))
    with _ledger(ledger_path, settings, config_path) as ledger:
        rows = ledger.runs()
        print(f"ledger {ledger.path}", file=sys.stderr)
    head = ("RUN", "STARTED (UTC)", "STATUS", "UNITS", "NOT READ", "FINDINGS", "PANS")
    table: list[Sequence[str]] = [head]
    for row in rows:
        found = row.summary
        numbers = (
            (found.units, found.not_read, found.findings, found.distinct_pans)
            if found
            else ("-",) * 4
        )
        status = row.status if found else "unfinished"
        shown = (f"{n:,}" if isinstance(n, int) else n for n in numbers)
        table.append((row.id, f"{row.started:%Y-%m-%d %H:%M:%S}", status, *shown))
    widths = [max(len(line[i]) for line in table) for i in range(len(head))]
    for line in table:
        cells = [
            cell.ljust(width) if i < 3 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        print("  ".join(cells).rstrip())


def report(
    run_name: str,
    format_name: str | None,
    paths: Sequence[Path],
    config_path: Path | None,
    ledger_path: Path | None,
) -> None:
    outputs = _outputs(paths, format_name)
    settings, _ = _settings(ScanRequest(config=config_path))
    with _ledger(ledger_path, settings, config_path) as ledger:
        run = assemble(ledger, ledger.run(run_name))
    if outputs:
        _write_all(run, outputs)
    else:
        _summarise(run, ())


def access(
    run_name: str,
    store: str | None,
    principal: str | None,
    since: str | None,
    config_path: Path | None,
    ledger_path: Path | None,
    *,
    as_json: bool,
) -> None:
    from scanner import inquiry, phrases

    phrases.named("--principal", principal)
    asked = inquiry.Question(
        store, principal, inquiry.parse_since(since, now()) if since is not None else None
    )
    settings, _ = _settings(ScanRequest(config=config_path))
    with _ledger(ledger_path, settings, config_path) as ledger:
        run = assemble(ledger, ledger.run(run_name))
    if as_json:
        print(json.dumps(inquiry.access_record(run, asked), indent=2))
    else:
        print("\n".join(inquiry.access_lines(run, asked)))


def access_object(
    run_name: str,
    part: str,
    store: str | None,
    principal: str | None,
    since: str | None,
    config_path: Path | None,
    ledger_path: Path | None,
    *,
    as_json: bool,
) -> None:
    from scanner import factreads, inquiry, objectreads, phrases
    from scanner.facts import Facts, path_beside

    phrases.named("--object", part)
    phrases.named("--principal", principal)
    begin = inquiry.parse_since(since, now()) if since is not None else None
    settings, _ = _settings(ScanRequest(config=config_path))
    with _ledger(ledger_path, settings, config_path) as ledger:
        run = assemble(ledger, ledger.run(run_name))
        path = path_beside(ledger.path)
    if not path.exists():
        raise UsageError(
            "--object: no facts of reads are kept yet; add [[evidence]] to the configuration and"
            " scan"
        )
    uri = phrases.chosen(run, store)[0].store.uri if store is not None else None
    ever = datetime(1970, 1, 1, tzinfo=UTC)
    with contextlib.closing(Facts(path, read_only=True)) as facts:
        found = factreads.readers_of(
            facts, part, uri=uri, principal=principal, window=(begin or ever, now())
        )
    if as_json:
        print(json.dumps(objectreads.record(run, part, found), indent=2))
    else:
        print("\n".join(objectreads.lines(run, part, found, begin)))


def incident(
    run_name: str,
    store: str,
    config_path: Path | None,
    ledger_path: Path | None,
    *,
    as_json: bool,
) -> None:
    from scanner import incident as page
    from scanner import inquiry, phrases

    settings, _ = _settings(ScanRequest(config=config_path))
    with _ledger(ledger_path, settings, config_path) as ledger:
        run = assemble(ledger, ledger.run(run_name))
        (chosen,) = phrases.chosen(run, store, "STORE")
        history = inquiry.sightings(ledger, chosen.store.uri)
    if as_json:
        print(json.dumps(page.record(run, store, history), indent=2))
    else:
        print("\n".join(page.lines(run, store, history)))


def row(request: ScanRequest, unit: str, sealed: str) -> None:
    from scanner import rowfind

    settings, file = _settings(request)
    (store,) = compose.resolve_stores(settings, file)
    secret = key.find_key(settings.key.file, settings.key.keyring)
    if secret is None:
        raise UsageError(
            "expected the fingerprint key that the scan had, in [key] or --key-file; a scan without"
            " one forgets its own when it ends: make one (cardtrail key FILE) and scan again"
        )
    sealer = Sealer(secret)
    with contextlib.closing(registry.stores()[store.kind].connect(store, sealer.name)) as opened:
        for line in rowfind.lines(opened, store.uri, unit, sealed, sealer):
            print(printable(line))


def schema(*, of_config: bool) -> None:
    if of_config:
        document = config.json_schema()
    else:
        from reports.schema import schema as run_schema

        document = run_schema()
    print(json.dumps(document, indent=2))


# --- settings, ledger, outputs


def _settings(request: ScanRequest) -> tuple[Settings, str]:
    """File, then environment and flags over it; the second value names the file in messages."""
    path = request.config or config.find(Path.cwd())
    settings = config.load(path) if path else Settings()
    file = str(path) if path else "command line"
    for name, value in request.overrides.items():
        if value is None:
            continue
        if name == "fail_on":
            value = _one_of("--fail-on", value, list(Severity), Severity)
        if name == "profile":
            value = _one_of("--profile", value, config.PROFILES, str)
        if name == "regions":
            value = personal.region_list(value)
        setattr(settings, name, value)
    if settings.names and settings.profile != "full" and request.overrides.get("profile") is None:
        raise ConfigError(file, "names", 'profile "full" beside it', f'"{settings.profile}"')
    base = path.resolve().parent if path else Path.cwd()
    paths.anchor(settings, base)
    if settings.recognisers:
        settings.pattern = [*settings.pattern, *recognisers.load(Path(settings.recognisers))]
    if request.key_file:
        settings.key.file = str(request.key_file.resolve())
    settings.exclude = [*settings.exclude, *request.exclude]
    if request.targets:
        settings.store = _named(settings.store, request.targets)
    return settings, file


def _named(tables: list[StoreTable], targets: Sequence[str]) -> list[StoreTable]:
    """The stores of the targets; one that the configuration describes keeps its description."""
    described = {table.uri: table for table in tables}
    found = []
    for target in targets:
        uri = paths.absolute(target, Path.cwd())
        found.append(described.get(uri) or described.get(target) or StoreTable(uri))
    return found


def _one_of(option: str, value: str, choices: Sequence[str], kind: type[str]) -> str:
    if value not in choices:
        raise UsageError(f'{option}: expected one of {", ".join(choices)}, found "{value}"')
    return kind(value)


def _ledger(
    path: Path | None, settings: Settings, config_path: Path | None
) -> contextlib.closing[Ledger]:
    """One that is there already."""
    return contextlib.closing(Ledger(path or _ledger_path(settings, config_path), create=False))


def _ledger_path(settings: Settings, config_path: Path | None) -> Path:
    """One ledger a project, in the state directory: never inside what is scanned."""
    found = config_path or config.find(Path.cwd())
    base = (found.resolve().parent if found else Path.cwd()).resolve()
    if settings.ledger:
        return base / Path(settings.ledger).expanduser()
    digest = hashlib.sha256(os.fsencode(base)).hexdigest()[:8]
    return statefolder.root() / f"{base.name or 'root'}-{digest}" / "ledger.db"


def _outputs(paths: Sequence[Path], format_name: str | None) -> list[tuple[Report, Path | None]]:
    """Report and place of each output, None for stdout. Raises ``UsageError`` before any work."""
    if not paths and format_name is None:
        return []
    known = registry.reports()
    if format_name is not None and format_name not in known:
        raise UsageError(f"--format: expected one of {', '.join(known)}, found {format_name}")
    if format_name is not None and not paths:
        return [(known[format_name], None)]
    outputs: list[tuple[Report, Path | None]] = []
    for path in paths:
        report = known[format_name] if format_name else _by_suffix(known, path.suffix.lower())
        if report is None:
            suffixes = ", ".join(each.suffix for each in known.values())
            raise UsageError(
                f"--output {path}: expected a name that ends in {suffixes}, or --format"
            )
        if str(path) != "-" and not path.parent.is_dir():
            raise UsageError(f"--output {path}: the folder {path.parent} does not exist")
        outputs.append((report, None if str(path) == "-" else path))
    return outputs


def _by_suffix(known: registry.Found[Report], suffix: str) -> Report | None:
    """That of ``.json`` is looked for in the module ``json``, and the others stay unloaded."""
    candidates = chain(known.likely(suffix.removeprefix(".")), known.values())
    return next((report for report in candidates if report.suffix == suffix), None)


def _write_all(run: Run, outputs: Sequence[tuple[Report, Path | None]]) -> None:
    for report, path in outputs:
        if path is None:
            report.write(run, sys.stdout)
            sys.stdout.flush()
        else:
            _write(run, report, path)


def _write(run: Run, report: Report, path: Path) -> None:
    """Beside, then renamed: a report is whole or not there."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with beside.open("x", encoding="utf-8", newline="") as out:
            report.write(run, out)
            out.flush()
            os.fsync(out.fileno())
        beside.replace(path)
    except OSError as error:
        raise UsageError(f"--output {path}: {error.strerror}") from None
    finally:
        beside.unlink(missing_ok=True)
