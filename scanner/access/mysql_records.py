"""The general and the slow log of MySQL and MariaDB: from a file to who sent which statement.

Both are files of lines or, as tables, CSV files of the data directory (``general_log.CSV``,
``slow_log.CSV``) or an export of those. In the plain files nothing is escaped: the lines of a
statement can look like entries. Connections are known by a number that is used again after a
start; who one is stands where it began.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from detectors.records import dataclass
from scanner.access.lines import LONGEST, LineNotes
from scanner.contracts import SealName
from scanner.text import seal_around_accounts

_GENERAL = re.compile(
    r"(?:(?P<time>\d{6}\s{1,2}\d{1,2}:\d\d:\d\d|\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d))\t|\t\t)"
    r"\s*(?P<id>\d{1,20}) (?P<command>[A-Z][A-Za-z ]{2,20}?)(?:\t(?P<text>.*))?",
    re.DOTALL,
)
_COMMANDS = (
    "Sleep|Quit|Init DB|Query|Field List|Create DB|Drop DB|Refresh|Shutdown|Statistics|Processlist"
    "|Connect|Kill|Debug|Ping|Time|Delayed insert|Change user|Binlog Dump|Table Dump|Connect Out"
    "|Register Slave|Register Replica|Prepare|Execute|Long Data|Close stmt|Reset stmt|Set option"
    "|Fetch|Daemon|Binlog Dump GTID|Reset Connection|Error|clone"
)
_KNOWN = frozenset(_COMMANDS.split("|"))
_TORN = re.compile(
    r"\d{4}-\d\d-\d\dT|\d{4}-(?:\d\d?)?(?:-\d{0,2})?$|\d{6}\s{1,2}\d|\d{6}\s{0,2}$"
    rf"|\t\t *(?:\d+[A-Za-z ]*)?$|[^\t]{{0,40}}\t?\s*\d+ (?:{_COMMANDS})\t"
)
"""What is no entry of the general log but has the beginning of one, or the middle: the rest of it
is lost. A line of a statement that looks so is taken for one: counted, and no read."""
_BEGINNING = re.compile(r".*, Version: .*\. (?:started with:|Embedded library).*")
_HEADER = re.compile(r"Tcp port: .*|Time\s+Id Command\s+Argument")
_CSV = re.compile(r'"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?",')
_CSV_FIELD = re.compile(r'(?:"((?:[^"\\]|\\.|"")*)"|([^,"]*))(?:,|$)', re.DOTALL)
_CONNECT = re.compile(r"(?P<user>.*)@(?P<host>[^@]*?) (?:on|as) (?P<rest>.*)", re.DOTALL)
_BEGINS, _REFUSED = frozenset({"Connect", "Change user"}), "Access denied"
_USING = re.compile(r"\s*using [A-Za-z/() ]+$")
_USER = re.compile(r"[^\[]*\[(?P<user>.*)\] @ ", re.DOTALL)
_USE = re.compile(r"use\s+(?:`(?P<quoted>(?:[^`]|``)+)`|(?P<plain>[^\s;`]+))\s*;?\s*", re.I)
_SLOW_TIME = re.compile(r"# Time: (.*)")
_SLOW_USER = re.compile(r"# User@Host: (?P<who>.*?)(?:\s+Id:\s*(?P<id>\d+))?\s*$", re.DOTALL)
_SLOW_THREAD = re.compile(
    r"# Thread_id: (?P<id>\d+)\s+Schema: (?P<database>.*?)\s+(?:QC_hit|Last_)"
)
_SLOW_NUMBERS = re.compile(
    r"# Query_time: .*?Rows_sent: (?P<rows>\d+)(?:.*?\bErrno: (?P<error>\d+))?", re.DOTALL
)
_STAMP = re.compile(r"SET (?:last_insert_id=\d+,|insert_id=\d+,)*timestamp=(\d{6,11})(?:\.\d+)?;")
_MOST_CONNECTIONS = 200_000
_MINUTES = 10_000
"""of which it is remembered how far they are ahead of UTC"""
DENIED = frozenset({1044, 1045, 1142, 1143, 1227, 1370})
BEFORE_IT_RAN = DENIED | {1046, 1049, 1051, 1052, 1054, 1055, 1064, 1066, 1109, 1146, 1176, 1305}
"""numbers of errors: refused, or names and grammar that do not fit. A routine can raise each."""


ASKS = re.compile(r"\s*\(*\s*(?:SELECT|WITH|TABLE|CALL|EXECUTE|HANDLER|SHOW)\b", re.IGNORECASE)
_CALL = re.compile(r"([\w$]+)`?\s*\(")
_NO_ROUTINES = (
    " in values and or not exists any all some on using from where select as when then else case"
    " over with union count sum min max avg coalesce ifnull if concat concat_ws lower upper length"
    " char_length substr substring left right trim round floor ceil now date cast convert"
    " group_concat distinct limit join "
)


def may_raise(text: str) -> bool:
    """Whether a statement runs what can raise an error of its own choice."""
    asks = ASKS.match(text)
    if asks is None or asks[0].split()[-1].lower().lstrip("(") in ("call", "execute"):
        return True
    return any(f" {name.lower()} " not in _NO_ROUTINES for name in _CALL.findall(text))


@dataclass(frozen=True, slots=True)
class Sent:
    """One statement. What the log does not tell is None; ``database`` is the one at hand then."""

    when: datetime
    connection: str
    user: str | None
    database: str | None
    text: str
    rows: int | None = None
    error: int | None = None
    table: bool = False
    """it stands in the log that is a table"""


@dataclass(slots=True)
class Notes(LineNotes):
    begun: int = 0
    """how often a log began: a start, the log switched on, a new file"""


class Clock:
    """Times of a log in UTC. Without a zone, those that do not tell one are taken to be of UTC."""

    def __init__(self, zone: ZoneInfo | None) -> None:
        self._zone = zone or ZoneInfo("UTC")
        self._away: dict[datetime, timedelta] = {}
        """of a minute in the zone, how far it is ahead of UTC"""

    def moment(self, text: str) -> datetime | None:
        try:
            if text[:6].isdigit() and text[6:7].isspace():
                day, _, hour = text.partition(" ")
                local = _of_two_digits(day, hour.strip())
            else:
                local = datetime.fromisoformat(text.strip())
            if local.tzinfo is not None:
                return local.astimezone(UTC)
            minute = local.replace(second=0, microsecond=0)
            away = self._away.get(minute)
            if away is None:
                if len(self._away) >= _MINUTES:
                    self._away.clear()
                when = minute.replace(tzinfo=self._zone).astimezone(UTC)
                away = self._away[minute] = minute.replace(tzinfo=UTC) - when
            return local.replace(tzinfo=UTC) - away
        except (ValueError, OverflowError):
            return None


def _of_two_digits(day: str, clock: str) -> datetime:
    """``260301`` and ``9:05:00``. Raises ``ValueError``."""
    if not clock.replace(":", "").isdigit():
        raise ValueError
    year = int(day[:2])
    hour, minute, second = map(int, clock.split(":"))
    return datetime(
        year + (2000 if year < 69 else 1900), int(day[2:4]), int(day[4:6]), hour, minute, second
    )


@dataclass(slots=True)
class Connections:
    """Who the connections are and which database they have at hand, as far as the log told."""

    users: dict[str, str] = field(default_factory=dict)
    databases: dict[str, str] = field(default_factory=dict)
    begun: bool = False
    """whether the log told of a start"""
    when: datetime | None = None
    """of the entry before: one of the same second may leave it out"""
    earlier: Callable[[datetime], Sequence[Any] | None] = lambda when: None
    """``state`` at the end of a log before, of which one that begins then is the rest"""

    def state(self, seal: SealName) -> list[Any]:
        """As JSON can hold it, sealed."""
        users = {number: seal_around_accounts(name, seal) for number, name in self.users.items()}
        databases = {number: seal(name) for number, name in self.databases.items()}
        return [_second(self.when), users, databases]

    @classmethod
    def of(cls, state: Sequence[Any]) -> Connections:
        second, users, databases = state
        return cls(dict(users), dict(databases), when=_moment(second))

    def at(self, when: datetime | None) -> None:
        """The time of an entry."""
        if self.when is None and when is not None and not self.begun:
            state = self.earlier(when)
            if state is not None:
                self.users.update(state[1])
                self.databases.update(state[2])
        self.when = when

    def begin(self) -> None:
        """The server may have been started again: numbers mean others now."""
        self.begun = True
        self.users.clear()
        self.databases.clear()

    def connect(self, number: str, text: str) -> None:
        found = _CONNECT.fullmatch(text)
        self.leave(number)
        if found is None or len(self.users) >= _MOST_CONNECTIONS:
            return
        self.users[number] = found["user"][:300]
        database = _USING.sub("", found["rest"])
        if database.strip():
            self.databases[number] = database

    def leave(self, number: str) -> None:
        self.users.pop(number, None)
        self.databases.pop(number, None)

    def take(self, sent: Sent, command: str) -> Sent | None:
        """What a command of a connection means; a statement comes back with what is known."""
        number, text = sent.connection, sent.text
        if sent.user is not None and len(self.users) < _MOST_CONNECTIONS:
            self.users[number] = sent.user
        if command in _BEGINS:
            if not text.startswith(_REFUSED):
                self.connect(number, text)
        elif command == "Quit":
            self.leave(number)
        elif command == "Init DB":
            self.databases[number] = text
        elif command in ("Query", "Execute"):
            whole = replace(sent, user=self.users.get(number), database=self.databases.get(number))
            used = _USE.fullmatch(text)
            if used:
                self.databases[number] = (used["quoted"] or used["plain"]).replace("``", "`")
            return whole
        return None


def general(
    lines: Iterable[bytes],
    clock: Clock,
    connections: Connections,
    notes: Notes,
    cut: Callable[[], None],
    ending: Callable[[], None],
) -> Iterator[Sent]:
    """The statements of one general log. ``cut`` is called where all before the line at hand was
    given out and a record begins, ``ending`` when what comes stood at the end and may go on."""
    held: tuple[Sent, str] | None = None
    torn = False  # lines of an entry without its beginning
    for line in lines:
        text = line.decode("utf-8", "replace")
        if _CSV.match(text):
            if held is None:
                cut()
            row = _row(text)
            sent = _general_row(row, clock) if row is not None else None
            if sent is None:
                if row is None or len(row) not in (12, 13):
                    notes.lost(line)
                continue
            notes.records += 1
            found = connections.take(*sent)
            if found is not None:
                yield found
            continue
        entry = _GENERAL.fullmatch(text)
        begins = entry is None and _BEGINNING.fullmatch(text) is not None
        if entry is None and not begins and not (held is None and _HEADER.fullmatch(text)):
            if _TORN.match(text):
                if held is not None:
                    found = connections.take(*held)
                    held = None
                    if found is not None:
                        yield found
                torn = True
                notes.lost(line)
            elif held is None:
                if not torn:
                    notes.lost(line)
            elif len(held[0].text) < LONGEST:
                held = (replace(held[0], text=f"{held[0].text}\n{text}"), held[1])
            continue
        if held is not None:
            found = connections.take(*held)
            held = None
            if found is not None:
                yield found
        cut()
        torn = False
        if begins:
            notes.begun += 1
            connections.begin()
        elif entry is not None:
            if entry["time"]:
                connections.at(clock.moment(entry["time"]))
            command, said = entry["command"], entry["text"] or ""
            if connections.when is None or command not in _KNOWN:
                notes.lost(line)
                torn = True
                continue
            if command in _BEGINS and not said.startswith(_REFUSED) and not _CONNECT.match(said):
                notes.lost(line)  # whoever it is has no name
            notes.records += 1
            held = Sent(connections.when, entry["id"], None, None, said), command
    if held is not None:
        ending()
        found = connections.take(*held)
        if found is not None:
            yield found


def _row(text: str) -> list[str] | None:
    """The fields of a record of a CSV table, whether quotes are escaped or doubled in it."""
    fields, place = [], 0
    while place < len(text):
        found = _CSV_FIELD.match(text, place)
        if found is None or found.end() == place:
            return None
        quoted, plain = found.groups()
        fields.append(plain if quoted is None else _unescaped(quoted))
        place = found.end()
    return fields


_ESCAPED = re.compile(r'\\(.)|""', re.DOTALL)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "0": "\0"}


def _unescaped(text: str) -> str:
    return _ESCAPED.sub(lambda each: _ESCAPES.get(each[1], each[1]) if each[1] else '"', text)


def _general_row(row: list[str], clock: Clock) -> tuple[Sent, str] | None:
    if len(row) != 6 or not row[2].isdigit():
        return None
    when = clock.moment(row[0])
    user = _USER.match(row[1])
    if when is None:
        return None
    name = user["user"] if user else None
    return Sent(when, row[2], name, None, row[5], table=True), row[4]


# --- the slow log ---------------------------------------------------------------------------------


@dataclass(slots=True)
class _Slow:
    """An entry of the slow log that is being put together."""

    when: datetime | None = None
    connection: str = ""
    user: str | None = None
    database: str | None = None
    rows: int | None = None
    error: int | None = None
    text: list[str] = field(default_factory=list)
    size: int = 0
    named: bool = False
    """there was a line that says whose it is"""
    torn: bool = False
    """there was one of which only the beginning is left"""
    line: int = 0
    """where it begins"""
    stamped: bool = False
    """what follows is its statement, also a USE"""


@dataclass(slots=True)
class SlowState:
    """What an entry of the slow log need not tell, since one before it did: the database at hand,
    unless each tells it, and the time."""

    database: str | None = None
    written: datetime | None = None

    def state(self, seal: SealName) -> list[Any]:
        """As JSON can hold it, sealed."""
        return [_second(self.written), None if self.database is None else seal(self.database)]

    @classmethod
    def of(cls, state: Sequence[Any]) -> SlowState:
        return cls(state[1], _moment(state[0]))


def _second(when: datetime | None) -> float | None:
    return None if when is None else when.timestamp()


def _moment(second: float | None) -> datetime | None:
    return None if second is None else datetime.fromtimestamp(second, UTC)


def slow(
    lines: Iterable[bytes],
    clock: Clock,
    at_hand: SlowState,
    notes: Notes,
    cut: Callable[[], None],
    ending: Callable[[], None],
) -> Iterator[Sent]:
    """The statements of one slow log; ``cut`` and ``ending`` as for ``general``."""
    held = _Slow()
    for line in lines:
        text = line.decode("utf-8", "replace")
        if _CSV.match(text):
            if not held.text:
                cut()
            row = _row(text)
            sent = _slow_row(row, clock) if row is not None else None
            if sent is None:
                if row is None or len(row) != 6:
                    notes.lost(line)
                continue
            notes.records += 1
            yield sent
            continue
        time, whose = _SLOW_TIME.fullmatch(text), _SLOW_USER.fullmatch(text)
        # while an entry has no statement yet, its other heads can follow
        torn = (held.text or not held.named) and _torn_head(text)
        if time or whose or torn or _BEGINNING.fullmatch(text):
            if held.text:
                yield from _done(held, notes)
            elif held.named and whose:
                notes.lost(line)  # the entry before it has no statement
            cut()
            if torn:
                notes.lost(line)
                held = _Slow(torn=True)
            elif time:
                at_hand.written = clock.moment(time[1])
                if at_hand.written is None:
                    notes.lost(line)
                held = _Slow()
            elif whose:
                user = _USER.match(whose["who"])
                if user is None:
                    notes.lost(line)
                held = _Slow(
                    when=at_hand.written,
                    connection=whose["id"] or "",
                    user=user["user"] if user else None,
                    database=at_hand.database,
                    named=True,
                    line=notes.samples.at,
                )
            else:
                notes.begun += 1
                at_hand.database, held = None, _Slow()
            continue
        if not held.named:
            if not (held.torn or _HEADER.fullmatch(text) or text.startswith("# ")):
                notes.lost(line)
        elif not held.text and text.startswith("# "):
            if not _about(held, text):
                notes.lost(line)
        elif not (held.text or held.stamped) and (used := _USE.fullmatch(text)):
            at_hand.database = held.database = (used["quoted"] or used["plain"]).replace("``", "`")
        elif not held.text and (stamp := _STAMP.fullmatch(text)):
            held.when, held.stamped = datetime.fromtimestamp(int(stamp[1]), UTC), True
        elif not held.text and len(text) > 4 and _SET.startswith(text[: len(_SET)]):
            notes.lost(line)
        elif held.size < LONGEST:
            held.text.append(text)
            held.size += len(text)
    if held.text:
        ending()
        yield from _done(held, notes)


_HEADS = ("# Time: ", "# User@Host: ", "# Thread_id: ", "# Query_time: ")
_LONGEST_HEAD, _SHORTEST_HEAD = max(map(len, _HEADS)), len("# U")
_SET = "SET timestamp="


def _torn_head(text: str) -> bool:
    """Whether a line is the beginning of one that heads an entry, and nothing else."""
    short = _SHORTEST_HEAD <= len(text) < _LONGEST_HEAD and text.startswith("# ")
    return short and any(len(text) < len(head) and head.startswith(text) for head in _HEADS)


def _about(held: _Slow, text: str) -> bool:
    """False if a line that has to be understood is not."""
    thread = _SLOW_THREAD.match(text)
    if thread:
        held.connection, held.database = thread["id"], thread["database"] or None
    numbers = _SLOW_NUMBERS.match(text)
    if numbers:
        held.rows = int(numbers["rows"][:18])
        held.error = int(numbers["error"][:9]) if numbers["error"] else None
    return bool(thread or numbers) or not (text.startswith(_HEADS[2:]) or _torn_head(text))


def _done(held: _Slow, notes: Notes) -> Iterator[Sent]:
    if held.when is None:
        notes.lost(held.text[0].encode(), held.line)
        return
    notes.records += 1
    text = "\n".join(held.text)
    yield Sent(held.when, held.connection, held.user, held.database, text, held.rows, held.error)


def _slow_row(row: list[str], clock: Clock) -> Sent | None:
    if len(row) not in (12, 13) or not row[4].isdigit():
        return None
    when, user = clock.moment(row[0]), _USER.match(row[1])
    if when is None:
        return None
    name = user["user"] if user else None
    rows = int(row[4][:18])
    return Sent(when, row[11], name, row[6] or None, row[10], rows, table=True)
