"""Puts a scan together: plug-ins, key, executor, ledger. With ``cli`` the only module that knows
the registry."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import chain
from pathlib import Path
from types import FrameType
from typing import Any

import msgspec

from detectors.base import Detector
from detectors.records import dataclass
from scanner import config, hygiene, personal, registry, scratch, snooping
from scanner.access import rules
from scanner.config import EvidenceTable, Settings, StoreTable
from scanner.contracts import Ignore, Limits, StoreKind
from scanner.engine import Executor, InProcess, Processes
from scanner.errors import ConfigError, ExitCode, NothingInScope, UsageError
from scanner.model import Store
from scanner.seal import Sealer
from scanner.text import seal_around_accounts
from scanner.work import EvidenceTask, Plugins, Worker

WORKER_MEMORY = 1 << 30
_GRACE_SECONDS = 60.0


@dataclass(slots=True)
class Excluder:
    """``exclude`` rules in gitignore syntax over the names of a store; counts what it hides."""

    patterns: list[str]
    hits: int = 0

    def of(self, store: Store) -> Ignore:
        own = store.options.get("exclude", [])
        if not self.patterns and not own:
            return lambda name, is_directory: False
        from pathspec import GitIgnoreSpec

        spec = GitIgnoreSpec.from_lines([*self.patterns, *own])

        def ignore(name: str, is_directory: bool) -> bool:
            text = name.encode("utf-8", "backslashreplace").decode()  # names need not be text
            hidden = spec.match_file(text + "/" if is_directory else text)
            self.hits += hidden
            return hidden

        return ignore


def resolve_stores(settings: Settings, file: str) -> list[Store]:
    """The stores of the settings, each by its kind. Raises ``UsageError``."""
    stores: list[Store] = []
    for i, table in enumerate(settings.store):
        kind = _kind_of(table.uri)
        config.check_options(table.options, dict(kind.options), file, f"store[{i}]")
        resolved = kind.resolve(table.uri, table.options)
        store = _described(resolved, table)
        if store.uri in {other.uri for other in stores}:
            continue
        stores.append(store)
    if not stores:
        raise NothingInScope(
            "no store to scan: name a target, or add a [[store]] to cardtrail.toml"
        )
    return stores


def read_in_full(stores: Sequence[Store]) -> list[str]:
    """Of a quick scan the stores whose kind takes no samples. Raises ``UsageError`` when that is
    all of them."""
    kinds = registry.stores()
    able = sorted(name for name, kind in kinds.items() if getattr(kind, "samples", False))
    rest = [store.uri for store in stores if store.kind not in able]
    if len(rest) == len(stores):
        raise UsageError(
            f"--quick: expected a store whose tables can be sampled ({', '.join(able)}), found "
            f"{', '.join(rest)}; leave --quick out"
        )
    return rest


def _described(store: Store, table: StoreTable) -> Store:
    return Store(
        uri=store.uri,
        kind=store.kind,
        environment=table.environment,
        expected=table.expected,
        owner=table.owner,
        options={**store.options, **({"exclude": table.exclude} if table.exclude else {})},
    )


def _kind_of(target: str) -> StoreKind:
    kinds = registry.stores()
    for kind in chain(kinds.likely(target), kinds.values()):
        if kind.claims(target):
            return kind
    schemes = ", ".join(sorted(registry.stores()))
    raise UsageError(f"{target}: expected a path or a store of a known kind ({schemes})")


def window(settings: Settings, now: datetime) -> tuple[datetime, datetime]:
    """The time that evidence of reads is asked for."""
    return now - timedelta(days=settings.window_days), now


def evidence_tasks(
    settings: Settings, stores: Sequence[Store], now: datetime, file: str, sealer: Sealer
) -> list[EvidenceTask]:
    """Raises ``ConfigError`` for what cannot be right."""
    kinds = registry.evidence()
    against = _snooping(settings, sealer)
    for wrong in rules.wrong_mutes(settings.mute):
        raise ConfigError(file, wrong.option, wrong.expected, wrong.found)
    tasks = []
    for i, table in enumerate(settings.evidence):
        if table.kind not in kinds:
            raise ConfigError(
                file, f"evidence[{i}].kind", f"one of {', '.join(sorted(kinds))}", table.kind
            )
        kind, where = kinds[table.kind], f"evidence[{i}]"
        config.check_options(table.options, dict(kind.options), file, where)
        if "uri" in kind.options:
            _place_of_logs(table, file, where)
        for wrong in getattr(kind, "check", lambda settings: ())(table.options):
            raise ConfigError(file, f"{where}.{wrong.option}", wrong.expected, wrong.found)
        options = dict(table.options)
        if settings.mute:
            options["mute"] = [*settings.mute, *options.get("mute", ())]
        if "store" in options:
            options["store"] = _meant(options["store"], settings, stores)
        if "resources" in options:
            options["resources"] = {
                resource: _meant(uri, settings, stores)
                for resource, uri in options["resources"].items()
            }
        task = EvidenceTask(table.kind, options, tuple(stores), window(settings, now))
        tasks.append(replace(task, snooping=against))
    return tasks


def _place_of_logs(table: EvidenceTable, file: str, where: str) -> Store:
    """Raises ``ConfigError`` for where none can lie."""
    uri, option = str(table.options.get("uri", "")), f"{where}.uri"
    expected = "where the logs lie: a path, s3://BUCKET/PREFIX or cloudwatch://REGION/GROUP"
    if not uri:
        raise ConfigError(file, option, expected, "none")
    try:
        return _kind_of(uri).resolve(uri, {})
    except UsageError:
        raise ConfigError(file, option, expected, uri) from None


def _meant(written: str, settings: Settings, stores: Sequence[Store]) -> str:
    """The uri of the store that evidence is said to be of. It is written as in [[store]], with the
    user and the options of a target; a store's own uri has none of them."""
    if written in {store.uri for store in stores}:
        return written
    options = next((table.options for table in settings.store if table.uri == written), {})
    try:
        return _kind_of(written).resolve(written, options).uri
    except UsageError:
        return written


def of_no_store(tasks: Sequence[EvidenceTask], stores: Sequence[Store]) -> Iterator[str]:
    """What to say of evidence that is of none of the stores of this scan."""
    uris = {store.uri for store in stores}
    for number, task in enumerate(tasks):
        if "store" in task.settings and task.settings["store"] not in uris:
            yield (
                f"evidence[{number}] ({task.kind}): its “store” is none of those scanned now; it is"
                " not read"
            )
        for resource, uri in task.settings.get("resources", {}).items():
            if uri not in uris:
                yield (
                    f"evidence[{number}] ({task.kind}): the store of {resource} is none of those"
                    " scanned now; calls on it are not counted"
                )


def logs_of(settings: Settings, file: str) -> Iterator[tuple[str, Store]]:
    """Kinds of evidence, and where their logs lie. Raises ``ConfigError``."""
    for number, table in enumerate(settings.evidence):
        yield table.kind, _place_of_logs(table, file, f"evidence[{number}]")


def _snooping(settings: Settings, sealer: Sealer) -> snooping.Snooping | None:
    """Watch list and tickets, sealed as they are read."""
    table = settings.snooping
    if table is None:
        return None
    number = snooping.numbering(sealer.fingerprint, sealer.name)

    def seal(principal: str) -> str:
        return seal_around_accounts(principal, sealer.name)

    return snooping.Snooping(
        snooping.read_watch(Path(table.watch), number) if table.watch else {},
        snooping.read_tickets(Path(table.tickets), number, seal) if table.tickets else None,
        tuple(map(seal, table.by_ticket)),
        tuple(map(seal, table.machines)),
    )


def make_worker(
    settings_json: bytes, key: bytes, kept: Path | None, in_process: bool
) -> Callable[[Any], Any]:
    """The task function of a worker. Runs in the worker process: it is there that plug-ins are
    loaded and the process is hardened."""
    return _worker(settings_json, key, kept, in_process).run


def _worker(
    settings_json: bytes,
    key: bytes,
    kept: Path | None,
    in_process: bool,
    signals: Signals | None = None,
) -> Worker:
    """``kept`` is a folder for what is compiled once and used in every scan."""
    settings = msgspec.json.decode(settings_json, type=Settings)
    hygiene.keep_memory()
    personal.configure(settings, kept)
    if not in_process:
        hygiene.keep_private()
        personal.compile_ahead(settings)  # while it may write what it compiled
        hygiene.harden_worker(WORKER_MEMORY, [folder for folder, _ in scratch.places(0)])
    budgets = msgspec.to_builtins(settings.limits)
    del budgets["slice"]
    return Worker(
        plugins(settings),
        Sealer(key),
        Limits(**budgets),
        settings.distinct_limit,
        (lambda: None) if signals is None else signals.stopping,
    )


def plugins(settings: Settings) -> Plugins:
    return Plugins(
        stores=registry.stores(),
        readers=registry.readers(),
        detectors=detectors_of(settings),
        evidence=registry.evidence(),
    )


def detectors_of(settings: Settings) -> Sequence[Detector]:
    import detectors

    wanted = frozenset([settings.profile, *(["names"] if personal.names(settings) else [])])
    return detectors.all_detectors(wanted)


# --- one scan, from settings to ledger -----------------------------------------------------------


class Signals:
    """SIGINT and SIGTERM as a question to ask between two pieces of work. The second one ends the
    process at once: the ledger is safe at any moment."""

    code: ExitCode | None = None

    def stopping(self) -> ExitCode | None:
        return self.code

    @contextmanager
    def caught(self) -> Iterator[None]:
        before = {s: signal.signal(s, self._handle) for s in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        code = ExitCode.SIGINT if number == signal.SIGINT else ExitCode.SIGTERM
        if self.code is not None:
            os._exit(code)
        self.code = code


def make_executor(
    settings: Settings,
    key: bytes,
    kept: Path | None,
    signals: Signals,
    told: Callable[[str], None],
) -> Executor:
    """``told`` is given what workers say while they wait."""
    jobs = settings.jobs or len(os.sched_getaffinity(0))
    settings_json = msgspec.json.encode(settings)
    if jobs == 1:
        worker = _worker(settings_json, key, kept, in_process=True, signals=signals)
        return InProcess(worker.run, worker.close)
    seconds = settings.limits.seconds + _GRACE_SECONDS
    return Processes(jobs, make_worker, (settings_json, key, kept, False), seconds, told)
