"""Evidence from pgaudit: which role read which table of a PostgreSQL database.

pgaudit writes a line for each relation of a statement, in ``SESSION`` audits for the statements of
a role and in ``OBJECT`` audits for relations that were chosen, so one statement may have four
lines: they are one read. A view and the table under it are two relations of one read. Statements
hold literals; nothing of a statement is kept.

What it cannot tell is said with every answer: what a SECURITY DEFINER function reads; the table of
a statement where ``pgaudit.log_relation`` is off (``log_rows``: of a cursor or COPY).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from detectors.records import dataclass
from scanner.access import gaps, unitnames
from scanner.access.answer import Question
from scanner.access.logbook import LogBook
from scanner.access.logfiles import LogFiles
from scanner.access.postgres_entries import AUDITS, Entry, Form, of_the_server
from scanner.access.postgres_lines import split_csv
from scanner.access.postgres_logs import NOBODY, OPTIONS, PostgresLogs, ambiguous
from scanner.access.readings import Readings, Said
from scanner.access.seen import Seen
from scanner.batch import Verb
from scanner.contracts import EvidenceResult
from scanner.known import name_hash
from scanner.model import Store
from scanner.text import plural

SOURCE = "pgaudit"
_64_BITS = (1 << 64) - 1
_SWITCH, _ELSEWHERE = "settings", "settings of another database"
_OBJECTS = "object audits "
_WHOLE_RECORD = (
    "pgaudit has recorded every statement that read, unless a superuser hid one; copies of the"
    " server's files and backups are no statements"
)
_SYSTEM = ("pg_catalog.", "information_schema.", "pg_toast.")
_PARAMETERS, _QUOTE = 6, "'"
_AS_OWNER = re.compile(r"\bsecurity\s+definer\b", re.IGNORECASE)
_RETURNING = re.compile(r"\breturning\b", re.IGNORECASE)
_CONFLICT = re.compile(r"\bconflict\b", re.IGNORECASE)
"""an INSERT gives back what it was given, or the row that was there"""
_WHOLE = frozenset({"COPY", "DECLARE CURSOR"})
_FROM = re.compile(r"\b(?:from|table)\b|<", re.IGNORECASE)
"""pgaudit puts ``<not logged>`` where it leaves out the text"""
_EXPLAINED = re.compile(
    r"\s*explain\b(?!.*\banaly[sz]e\b.*\b(?:insert|create|update|delete|merge)\b)[^;]*$", re.DOTALL
)
"""alone, and no change that is explained by running it"""
_CALL = re.compile(r"([\w$\"]+)\s*\(")
_READ_NO_TABLE = frozenset(
    {"select", "version", "now", "set_config", "current_setting", "current_schemas"}
    | {"pg_is_in_recovery", "pg_backend_pid"}
)
_BLIND = (
    "pgaudit does not name what a SECURITY DEFINER function reads, and its settings can leave out"
    " roles and statements"
)


@dataclass(frozen=True, slots=True)
class Audit:
    """What one line of pgaudit says, without the statement. ``relation`` is spelt as the store of
    PostgreSQL spells its units, None where it is not told; ``rows`` None likewise."""

    kind: str
    statement: int
    part: int
    group: str
    command: str
    relation: str | None
    rows: int | None
    settings: bool
    """the statement speaks of pgaudit's own settings"""
    returns: bool = False
    """it changes rows and gives them back"""
    reads_none: bool = False
    """no relation is told, it names nothing to read from and calls nothing that could:
    ``SELECT 1``"""
    explained: bool = False
    """and gives out no rows"""


def audit(message: str) -> Audit | None:
    """Reads ``AUDIT: OBJECT,1,1,READ,SELECT,TABLE,public.cards,"...",<not logged>[,rows]``."""
    text = message.removeprefix("AUDIT: ")
    if text == message:
        return None
    whole = split_csv(text, 10)
    head = split_csv(text, 7) if whole is None else whole[:7]
    if head is None or len(head) < 7:
        return None
    kind, statement, part, group, command, _, named = head
    numbers = (statement + part).isascii() and statement.isdigit() and part.isdigit()
    if kind not in ("SESSION", "OBJECT") or not numbers or len(statement + part) > 30:
        return None
    last = whole[9] if whole is not None and len(whole) == 10 else ""
    rows = int(last) if last.isascii() and last.isdigit() and len(last) < 19 else None
    said = whole[7] if whole is not None and len(whole) > 7 else text
    lower, relation = said.lower(), _relation(named)
    return Audit(
        kind,
        int(statement),
        int(part),
        group,
        command,
        relation,
        rows,
        "pgaudit." in lower and _changes(command, lower),
        group == "WRITE"
        and _RETURNING.search(said) is not None
        and (command != "INSERT" or _CONFLICT.search(said) is not None),
        relation is None
        and said.lstrip()[:6].lower() == "select"
        and _FROM.search(said) is None
        and all(name.lower() in _READ_NO_TABLE for name in _CALL.findall(said)),
        "explain" in lower and _EXPLAINED.match(lower) is not None,
    )


def _changes(command: str, text: str) -> bool:
    """Whether a statement that speaks of settings can change them; every scan asks for them."""
    return "set_config" in text if command == "SELECT" else command != "SHOW"


_RELATIONS = 10_000
"""names that are remembered"""
_IDENTIFIER = re.compile(r'(?:"((?:[^"]|"")*)"|([^."]+))(?:\.|$)')


@lru_cache(_RELATIONS)
def _relation(named: str) -> str | None:
    """``"My Schema"."T"`` as the store spells it: ``My Schema.T``; without ``public``."""
    if '"' in named:
        found = _IDENTIFIER.findall(named)
        parts = [quoted.replace('""', '"') or plain for quoted, plain in found]
    else:
        parts = [plain for plain in named.split(".") if plain]
    return unitnames.postgres(parts) if parts else None


_UNNAMED = {False: "select without a name", True: "copy without a name"}
_NAMED = {False: "select with a name after all", True: "copy with a name after all"}
"""by whether it is a COPY or a cursor"""
_IS_NAMED = name_hash("statement with a name")
_IS_UNNAMED = {False: name_hash(_UNNAMED[False]), True: name_hash(_UNNAMED[True])}
_PART = name_hash("part of a statement") | 1
"""what a statement is known to be is a number made of its own and one of these"""
_LATELY = 1_000
"""audits of roles by which those of their workers are known, where the log does not tell these"""
_AGES = 5_000
"""of backends whose place in their statements is kept"""


class _Collector(PostgresLogs):
    source, wanted, records = SOURCE, AUDITS, "audits"

    def __init__(
        self,
        stores: Sequence[Store],
        asked: Question,
        settings: Mapping[str, Any],
        book: LogBook,
    ) -> None:
        super().__init__(stores, asked, settings, book)
        self._ages: dict[str, tuple[int, int, int, int]] = {}
        """of backends that go by a process id: its how manieth, statement, part, and when"""
        self._lately: dict[int, None] = {}
        self._ids, self._entries = Seen(), Seen()
        """of the file at hand: what its statements were said to be, and its entries"""
        book.save = lambda: list(self._ages.items())[-_AGES:]

    def begin(self) -> None:
        self._ids, self._entries = Seen(), Seen()
        for key in self._book.keys:
            self._ids.first_time(key)
        self._ages = {backend: tuple(age) for backend, age in self._book.state or ()}

    def take(self, entry: Entry) -> None:
        book = self._book
        if of_the_server(entry, book, "pgaudit.", "log_", "shared_preload_libraries"):
            return
        self._extent.saw(entry.when)
        uri, event = self._databases.one(entry.database), entry.event
        if uri is None:
            self._of_another(entry)
            return
        log, role, when = self._logs[uri, entry.form], entry.user or NOBODY, entry.when
        if any(each.startswith("AUDIT: ") for each in entry.messages):
            told = hash((uri, entry.form, when, entry.session, entry.messages, role)) & _64_BITS
            if not self._entries.first_time(told):
                return  # an audit has a number: it is a copy
            if entry.raised:
                log.acts.noted("forged", when, uri, event=event)
                return
            log.acts.noted(self.records, when, uri, event=event)
            if entry.ambiguous:
                log.acts.noted("ambiguous", when, uri, event=event)
            for message in filter(None, entry.messages):
                self._audit(log, entry, role, message)
        elif any(each.startswith("permission denied") for each in entry.messages):
            log.refuse(when, role, event=event)

    def _of_another(self, entry: Entry) -> None:
        """Of another database: roles and settings are those of the whole server."""
        if entry.raised:
            return
        for message in entry.messages:
            if "pgaudit." in message and (found := audit(message)) and found.settings:
                acts = self._book.form(entry.form.value)
                acts.noted(_ELSEWHERE, entry.when, "", entry.user or NOBODY, entry.event)

    def _audit(self, log: Readings, entry: Entry, role: str, message: str) -> None:
        found = audit(message)
        if found is None:
            self._reader.notes.lost(message.encode("utf-8", "replace"), entry.line)
            return
        when, uri, event, acts = entry.when, log.uri, entry.event, log.acts
        log.saw(when)
        if found.kind == "OBJECT":
            self._book.mark(f"{_OBJECTS}{log.form}", when, uri)
        if found.settings:
            acts.noted(_SWITCH, when, uri, role, event)
        if found.group == "DDL" and _AS_OWNER.search(message) is not None:
            acts.noted("as owner", when, uri, event=event)
        relation = found.relation
        system = relation is not None and relation.startswith(_SYSTEM)
        reading = found.group == "READ" or (found.returns and relation is not None)
        if not reading or found.command == "PREPARE" or system or found.explained:
            return
        # what follows the number of the statement
        text = hash(message.split(",", 3)[-1])
        if entry.user is not None:
            self._lately[text] = None
            if len(self._lately) > _LATELY:
                del self._lately[next(iter(self._lately))]
        elif text in self._lately:
            return  # a parallel worker repeats what its leader said
        session = self._session(entry, found)
        statement = f"{session} {found.statement}"
        # the numbers of what is known of a statement are made of its own
        mine = name_hash(f"{log.uri} {log.form} {statement}")
        # a process id is used again, a session is not
        at = statement
        if entry.pid_only:
            at = f"{entry.session} {found.statement} {self._book.second(when)}"
        if relation is None:
            if found.reads_none:
                return
            whole = found.command in _WHOLE
            if self._new(mine ^ _IS_UNNAMED[whole]) and mine ^ _IS_NAMED not in self._ids:
                acts.noted(_UNNAMED[whole], when, uri, role, at)
            return
        if self._new(mine ^ _IS_NAMED):
            for whole, unnamed in _IS_UNNAMED.items():
                if mine ^ unnamed in self._ids:
                    acts.noted(_NAMED[whole], when, uri, role, at)
        self._read(log, entry, role, message, found, relation, mine, at)

    def _read(
        self,
        log: Readings,
        entry: Entry,
        role: str,
        message: str,
        found: Audit,
        relation: str,
        statement: int,
        at: str,
    ) -> None:
        when, event = entry.when, f"{at} part {found.part}"
        part = (statement + _PART * found.part) & _64_BITS
        named = self._new(part ^ log.acts.named(relation))
        if self._new(part):
            rows = None if entry.ambiguous else found.rows
            subjects = self._subjects(message)
            log.read(when, role, (relation,), rows=rows, subjects=subjects, event=event)
        elif named:
            log.touch(when, role, relation, event=event)

    def _new(self, what: int) -> bool:
        if not self._ids.first_time(what):
            return False
        self._book.keys.append(what)
        return True

    def _subjects(self, message: str) -> tuple[int, ...]:
        """Of the statement and its parameters (``pgaudit.log_parameter``), where they are told."""
        whole = split_csv(message, 10) if self._asked.lookout else None
        if whole is None or len(whole) < 8:
            return ()
        values = split_csv(whole[8], _PARAMETERS) if len(whole) > 8 else None
        told = values if values and whole[8] not in ("<none>", "<not logged>") else []
        parameters = ", ".join(
            f"$1 = '{each.replace(_QUOTE, _QUOTE * 2)}'" for each in told[:_PARAMETERS]
        )
        return self._asked.subjects(whole[7], "postgres", parameters)

    def _session(self, entry: Entry, found: Audit) -> str:
        """What tells this backend from others. A process id is used again: a statement number that
        goes back, or comes again later, is another backend's."""
        if not entry.pid_only:
            return entry.session
        second = self._book.second(entry.when)
        now = (found.statement, found.part, second)
        age, *last, at = self._ages.pop(entry.session, (0, *now))
        if found.statement < last[0] or (list(now[:2]) == last and abs(second - at) > 2):
            age += 1
        self._ages[entry.session] = (age, *now)
        return f"{entry.session} {age}"

    # --- how far it goes

    def result(self, uri: str) -> EvidenceResult:
        said = self._fullest(uri)
        known = self._asked.known.get(uri)
        audit = known.audits.get(SOURCE) if known else None
        sure = audit is not None and audit.since is not None
        by_object = bool(said.record.marked(f"{_OBJECTS}{said.readings.form}", uri).count)
        unnamed = {whole: _left(said, whole) for whole in (False, True)}
        acts = said.readings.acts
        for whole, roles in unnamed.items():
            if whole or not (by_object or sure):
                for role, (count, first, last) in roles.items():
                    for number in range(count):
                        when = last if number else first
                        acts.act(uri, Verb.ASKED, role, when, loose=True)
        acts.for_now()
        state = self._extent.state(
            said.noted(self.records),
            self._databases.doubt(uri),
            record="audit",
            nothing="of this database: either nobody touched it or it is not audited",
            blind=_BLIND,
        )
        selects, copies = (sum(n for n, _, _ in unnamed[w].values()) for w in (False, True))
        doubts = _doubts(said, 0 if sure else selects, copies, by_object=by_object)
        return self._told(uri, said, state, doubts, _WHOLE_RECORD)


def _left(said: Said, whole: bool) -> dict[str, tuple[int, datetime, datetime]]:
    """By role, statements that nowhere name what they read: how many, first and last."""
    uri = said.readings.uri
    named = {who: n for who, (n, _, _) in said.acts.noted_by(_NAMED[whole], uri).items()}
    found = said.acts.noted_by(_UNNAMED[whole], uri).items()
    return {
        who: (n - named.get(who, 0), first, last)
        for who, (n, first, last) in found
        if n > named.get(who, 0)
    }


def _doubts(said: Said, unnamed: int, copies: int, *, by_object: bool) -> Iterator[str]:
    if forged := said.noted("forged"):
        looks = plural(
            forged, "entry looks like an audit but was", "entries look like audits but were"
        )
        yield f"{looks} raised by a statement of a client: forged, not counted"
    yield from ambiguous(said)
    if unnamed and by_object:
        yield (
            f"{plural(unnamed, 'SELECT does', 'SELECTs do')} not name what they read; of what"
            " object auditing is set for they can have read only through a SECURITY DEFINER"
            " function"
        )
    elif unnamed:
        yield (
            f"{plural(unnamed, 'SELECT does', 'SELECTs do')} not name what they read (a table where"
            " pgaudit.log_relation was off, or what a SECURITY DEFINER function gives out): they"
            " are not among the reads counted"
        )
    if copies:
        yield (
            f"{plural(copies, 'COPY or cursor does', 'COPYs and cursors do')} not name what they"
            " read (pgaudit.log_rows is on, or log_relation off): they are not among the reads"
            " counted"
        )
    if as_owner := said.noted("as owner"):
        made = plural(
            as_owner,
            "function that runs by the right of its owner was",
            "functions that run by the right of their owner were",
        )
        yield f"{made} made or changed: what they read is not named"
    book, window = said.readings.book, said.asked.window
    others = [book.form(form.value).view(window).noted(_ELSEWHERE) for form in Form]
    switches = [said.acts.noted(_SWITCH, said.readings.uri), max(others, key=lambda each: each[0])]
    firsts = [(first, role) for _, first, role in switches if first is not None]
    if firsts:
        when, role = min(firsts)
        spoken = sum(count for count, _, _ in switches)
        spoken = sum(count for count, _, _ in switches)
        yield (
            f"{plural(spoken, 'statement speaks', 'statements speak')} of pgaudit's own"
            f" settings, the first at {gaps.clock(when)} by {role}"
        )


EVIDENCE = LogFiles(SOURCE, OPTIONS, _Collector)
