"""One scan from settings to the end of the run in the ledger: begin or resume, scan, finish."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec

from detectors.records import dataclass
from scanner import (
    __version__,
    compose,
    counting,
    key,
    pausing,
    personal,
    registry,
    scratch,
    statefolder,
)
from scanner.assemble import assemble, summary
from scanner.config import Settings
from scanner.errors import ConfigError, Reason, Unreadable, UsageError
from scanner.facts import path_beside
from scanner.flow import Job, Listener
from scanner.ledger import Ledger, RunAbout, RunRow, now
from scanner.model import Run, Store, Unit
from scanner.pipeline import scan
from scanner.progress import Progress
from scanner.seal import Sealer

TRANSIENT = (
    Reason.CREDENTIALS,
    Reason.EXPIRED,
    Reason.UNREACHABLE,
    Reason.THROTTLED,
    Reason.IO_ERROR,
    Reason.WORKER_DIED,
    Reason.TIMED_OUT,
    Reason.SCRATCH_FULL,
    Reason.DRIVER,
)
"""What ``--resume`` tries again: reasons that may have gone away."""


@dataclass(slots=True)
class Session:
    """A run that is open in the ledger."""

    ledger: Ledger
    row: RunRow
    settings: Settings
    key: bytes
    file: str
    """the configuration, for messages"""
    resumed: bool = False


def begin(ledger: Ledger, settings: Settings, stores: Sequence[Store], file: str) -> Session:
    """A new run. Raises ``UsageError`` for evidence, a pattern or a key that cannot be right."""
    started = now()
    run = f"{started:%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
    configured = key.find_key(settings.key.file, settings.key.keyring)
    secret = configured or key.run_key(ledger.path, run)
    if settings.snooping and configured is None:
        raise ConfigError(
            file, "snooping", "a fingerprint key beside it ([key]), for what it seals is kept"
        )
    compose.evidence_tasks(settings, stores, started, file, Sealer(secret))
    personal.check(settings, file)
    about = RunAbout(
        version=__version__,
        profile=settings.profile,
        config_digest=settings.digest(),
        key_id=Sealer(secret).key_id,
        detectors=tuple(d.name for d in compose.detectors_of(settings)),
        targets=tuple(store.uri for store in stores),
        settings=msgspec.to_builtins(settings),
        random_key=configured is None,
        profiled=True,
    )
    ledger.begin(run, started, about)
    return Session(ledger, ledger.run(run), settings, secret, file)


def resume(ledger: Ledger, name: str | None) -> Session:
    """The last unfinished run, or the named one. Raises ``UsageError`` when there is none, or when
    the key it began with is not the one found now."""
    row = ledger.last_unfinished() if name is None else ledger.run(name)
    if row is None:
        raise UsageError(
            "--resume: no unfinished run in the ledger; --run ID names a finished one, of which "
            "what could not be read is tried again"
        )
    settings = msgspec.convert(row.about.settings, Settings)
    if row.about.random_key:
        secret = key.run_key(ledger.path, row.id)
    else:
        secret = key.find_key(settings.key.file, settings.key.keyring) or b""
    if not secret or Sealer(secret).key_id != row.about.key_id:
        raise UsageError(
            f"--resume: run {row.id} was begun with fingerprint key {row.about.key_id}, which is "
            "not the one found now; give it that key again, or start a new scan"
        )
    personal.check(settings, "the run's settings")
    ledger.reopen(row.id, TRANSIENT)
    return Session(ledger, ledger.run(row.id), settings, secret, "the run's settings", True)


def carry_out(
    session: Session, listener: Listener, meanwhile: Callable[[], object] = lambda: None
) -> Run:
    """Scans to the end and finishes the run; ``meanwhile`` as in ``pipeline.scan``. Raises
    ``Stopped`` with the run left to resume."""
    settings, ledger, row = session.settings, session.ledger, session.row
    stores = compose.resolve_stores(settings, session.file)
    excluder = compose.Excluder(settings.exclude)
    signals = compose.Signals()
    job = Job(
        run=row.id,
        stores=stores,
        evidence=compose.evidence_tasks(
            settings, stores, row.started, session.file, Sealer(session.key)
        ),
        kinds=registry.stores(),
        detectors={detector.name: detector for detector in compose.detectors_of(settings)},
        ignore=excluder.of,
        seal_name=Sealer(session.key).name,
        floor=settings.min_confidence,
        distinct_limit=settings.distinct_limit,
        slice_bytes=settings.limits.slice,
        quick=settings.quick,
        resumed=session.resumed,
        window=compose.window(settings, row.started),
        facts=path_beside(ledger.path),
    )
    for words in compose.of_no_store(job.evidence, stores):
        listener.noted(words)
    scratch.sweep()
    _count_ahead(job, settings, listener)
    with signals.caught(), pausing.ended_by(signals.stopping, listener.noted):
        kept = statefolder.outside(stores, "compiled")
        executor = compose.make_executor(settings, session.key, kept, signals, listener.noted)
        finished = False
        try:
            scan(job, executor, ledger, listener, signals.stopping, meanwhile)
            finished = True
        finally:
            executor.close(now=not finished)
    counting.after(job, ledger)
    return _finish(ledger, row, excluder.hits)


def _finish(ledger: Ledger, row: RunRow, excluded: int) -> Run:
    finished = now()
    run = assemble(ledger, replace(row, finished=finished, excluded=excluded))
    ledger.finish(row.id, finished, summary(run), excluded)
    key.forget_run_key(ledger.path, row.id)
    return run


def refuse_to_write_into(stores: Sequence[Store], ledger: Path) -> None:
    """A store that is scanned is never written to, not even by our own ledger."""
    store = statefolder.store_around(ledger, stores)
    if store is not None:
        raise UsageError(
            f"the ledger {ledger} lies inside {store.uri}, which is to be scanned and never "
            "written to; name another place with --ledger"
        )


def _count_ahead(job: Job, settings: Settings, listener: Listener) -> None:
    """For the time left on a terminal: adds up what is in scope, in a thread, while the scan runs.
    Only stores that can be listed for nothing; with any other there is no estimate."""
    free = all(store.kind in ("files", "sqlite") for store in job.stores)
    if not (isinstance(listener, Progress) and listener.on_terminal and free):
        return
    ignore = compose.Excluder(settings.exclude).of

    def count() -> None:
        total = 0
        for store in job.stores:
            try:
                opened = job.kinds[store.kind].connect(store, job.seal_name)
                units = (each for each in opened.units(ignore(store)) if isinstance(each, Unit))
                total += sum(unit.size or 0 for unit in units)
            except Unreadable:
                continue
        listener.total = total

    threading.Thread(target=count, daemon=True).start()
