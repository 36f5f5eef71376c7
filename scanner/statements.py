"""Which relations an SQL statement reads, as far as its text tells: names, and what it may hide.

Literals are taken out before anything else looks at the text (they can hold card numbers), and with
them most differences between one statement and the next: each form is parsed once. What cannot be
decided is *hidden*, never nothing: a function of somebody's own, a procedure, a text that does not
parse. The relations under a view and what a function reads do not stand in a statement.

Needs ``sqlglot`` (extra ``statements``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

from detectors.records import dataclass
from scanner.errors import Reason, Unreadable

if TYPE_CHECKING:
    from sqlglot import exp

MISSING = "expected the SQL parser: pip install 'cardtrail[statements]'"
LONGEST = 100_000
"""characters without literals; a longer statement is not parsed"""
_FORMS = 20_000
"""different statements that are remembered"""


@dataclass(frozen=True, slots=True)
class Read:
    """What one statement reads. ``relations`` are its parts as the server understands them (case
    folded): ``("public", "cards")``. ``hidden``: it may read more than it names. ``executes``: it
    runs the prepared statement of that name; ``prepares``: it only makes one, and reads when that
    is executed. ``cursor``: its rows are given out by FETCH."""

    relations: frozenset[tuple[str, ...]] = frozenset()
    hidden: bool = False
    executes: str | None = None
    prepares: str | None = None
    cursor: bool = False


def reads(text: str, dialect: str) -> tuple[Read, ...]:
    """One for each statement of ``text`` that reads or may read; ``dialect`` is ``postgres`` or
    ``mysql``. Raises ``Unreadable`` when the parser is not installed."""
    bare = _bare(text, dialect)
    if len(bare) > LONGEST:
        return (Read(hidden=True),)
    return _reads(bare, dialect)


# --- without literals -----------------------------------------------------------------------------

_NUMBER = r"(?<![\w.$])(?:0x[0-9a-f]+|\d[\d_]*\.?\d*(?:e[+-]?\d+)?)"
_TOKENS = {
    "postgres": re.compile(
        r"(?P<name>\"(?:[^\"]|\"\")*\")"
        r"|\b(?:e)'(?:[^'\\]|''|\\.)*'"
        r"|(?:\b(?:b|x|n|u&))?'(?:[^']|'')*'"
        r"|(?P<dollar>(?<![\w$])\$(?:[a-z_]\w*)?\$).*?(?P=dollar)"
        r"|(?P<comment>--[^\n]*|/\*)"
        r"|(?<![\w$])\$\d+"  # a parameter
        rf"|{_NUMBER}",
        re.IGNORECASE | re.DOTALL,
    ),
    "mysql": re.compile(
        r"(?P<name>`(?:[^`]|``)*`)"
        r"|(?:\b(?:b|x|n|_\w+)\s?)?(?:'(?:[^'\\]|''|\\.)*'|\"(?:[^\"\\]|\"\"|\\.)*\")"
        r"|(?P<run>/\*M?!\d*)"
        r"|(?P<comment>--(?=\s|$)[^\n]*|\#[^\n]*|/\*)"
        rf"|{_NUMBER}",
        re.IGNORECASE | re.DOTALL,
    ),
}
_LITERAL = r"\s*(?:-?1|'1'|\?|\$1|null|default|true|false)\s*"
_LITERALS = rf"\({_LITERAL}(?:,{_LITERAL})*\)"
_LIST = re.compile(rf"\bin\s*{_LITERALS}", re.IGNORECASE)
_ROWS = re.compile(rf"\bvalues\s*{_LITERALS}(?:\s*,\s*{_LITERALS})*", re.IGNORECASE)
_COMMENT_MARK = re.compile(r"/\*|\*/")


def _bare(text: str, dialect: str) -> str:
    """The statement without literals and comments; blanks folded. MySQL runs what stands in
    ``/*! ... */``: so it stays."""
    pieces: list[str] = []
    place = 0
    pattern = _TOKENS[dialect]
    running = 0
    while found := pattern.search(text, place):
        pieces.append(text[place : found.start()])
        place = found.end()
        kind = found.lastgroup
        if kind == "name":
            pieces.append(found[0])
        elif kind == "run":
            pieces.append(" ")
            running += 1
        elif kind == "comment":
            pieces.append(" ")
            if found[0] == "/*":
                place = _comment_end(text, place, nested=dialect == "postgres")
        else:
            literal = found[0]
            number = literal[0].isdigit() or literal[1:].isdigit()
            pieces.append("1" if number else "'1'")
    pieces.append(text[place:])
    bare = " ".join("".join(pieces).split())
    if running:
        bare = bare.replace("*/", " ")
    return _ROWS.sub("values (1)", _LIST.sub("in (1)", bare))


def _comment_end(text: str, place: int, nested: bool) -> int:
    depth = 1
    for mark in _COMMENT_MARK.finditer(text, place):
        if mark[0] == "*/":
            depth -= 1
            if not depth:
                return mark.end()
        elif nested:
            depth += 1
    return len(text)


# --- the values of single records -----------------------------------------------------------------

_SINGLE = 5
"""values that a statement which asks for single records is equal to, at most"""
_EQUALS = re.compile(r"(?<![<>!:])=\s*(?:any\s*\(\s*)?$|\blike\s*$", re.IGNORECASE)
_IN = re.compile(r"\bin\s*\(\s*$", re.IGNORECASE)
_PARAMETER = re.compile(r"\$\d+ = '((?:[^']|'')*)'")


def asked_for(text: str, dialect: str, parameters: str = "") -> tuple[str, ...]:
    """The values a statement is about, as they stand in it: those something is equal to or one of.
    Empty when there are more than a few, for then no single record is asked for. ``parameters`` as
    PostgreSQL logs them: ``$1 = '4711', $2 = NULL``. They are raw values: seal them at once."""
    if len(text) > LONGEST:
        return ()
    found = dict.fromkeys(each.replace("''", "'") for each in _PARAMETER.findall(parameters))
    place, listed = 0, False
    while match := _TOKENS[dialect].search(text, place):
        before = text[place : match.start()]
        place = match.end()
        kind = match.lastgroup
        if kind == "comment" and match[0] == "/*":
            place = _comment_end(text, place, nested=dialect == "postgres")
        if kind in ("name", "run", "comment") or (match[0][0] == "$" and match[0][1:].isdigit()):
            listed = False
            continue
        listed = _IN.search(before) is not None or (listed and before.strip() == ",")
        if listed or _EQUALS.search(before):
            found[_value(match[0], dialect)] = None
    return tuple(found) if len(found) <= _SINGLE else ()


def _value(literal: str, dialect: str) -> str:
    quote = next((char for char in literal if char in "'\"$"), "")
    if quote not in ("'", '"') or not quote:
        return literal
    inner = literal[literal.index(quote) + 1 : -1].replace(quote * 2, quote)
    if dialect == "mysql" or literal[:1] in "eE":
        inner = re.sub(r"\\(.)", r"\1", inner)
    return inner


# --- by its first words ---------------------------------------------------------------------------


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_NOTHING = _words(
    "begin start commit end rollback abort savepoint release set reset show discard listen unlisten"
    " notify lock unlock vacuum analyze analyse cluster reindex checkpoint fetch move close explain"
    " describe desc use grant revoke alter drop truncate comment security deallocate import load"
    " reassign optimize check repair flush kill purge change stop install uninstall binlog cache"
    " help xa signal resignal get declare rename shutdown"
)
"""first words of statements that give out no rows of a table"""
_WRITES = _words("insert replace update delete merge create refresh")
_SELECT = re.compile(r"\bselect\b", re.IGNORECASE)
_RUN = re.compile(
    r".*?\banaly[sz]e\b.*?(?=\b(?:insert|create|update|delete|merge|replace)\b)", re.IGNORECASE
)
"""a change that is explained by running it"""
_MAKES_NO_ROWS = re.compile(
    r"create\s+(?:or\s+replace\s+)?(?!(?:or|global|local|temp|temporary|unlogged|table|materialized)\b)\w",
    re.IGNORECASE,
)
"""CREATE of what holds none: a view, policy, rule, function, foreign table ..."""
_FROM_SOMEWHERE = re.compile(r"\b(?:select|table|from|using|returning|with|join)\b", re.IGNORECASE)
_CURSOR = re.compile(
    r"declare\s+(?:\"(?:[^\"]|\"\")*\"|\w+)\s[\w\s]*?\bcursor\b[\w\s]*?\bfor\s+", re.IGNORECASE
)
_PREPARE = re.compile(
    r"prepare\s+(?P<name>\"(?:[^\"]|\"\")*\"|\w+)\s*(?:\([^)]*\))?\s*as\s+", re.IGNORECASE
)
_PREPARE_MYSQL = re.compile(r"prepare\s+(?P<name>`[^`]*`|\w+)\s+from\b", re.IGNORECASE)
_EXECUTE = re.compile(r"execute\s+(?P<name>\"(?:[^\"]|\"\")*\"|`[^`]*`|\w+)", re.IGNORECASE)
_HANDLER = re.compile(r"handler\s+(?P<name>[\w.`]+)\s+read\b", re.IGNORECASE)
_FOR_ONE = re.compile(r"set\s+statement\b.*?\bfor\s+", re.IGNORECASE)
"""settings of MariaDB for the statement that follows"""
_REFRESH = re.compile(r"refresh\b", re.IGNORECASE)
_COPY_IN = re.compile(r"copy\s+(?:\"(?:[^\"]|\"\")*\"|[\w.])+\s*(?:\([^)]*\))?\s*from\b", re.I)
_COPY_OUT = re.compile(r"copy\s+(?P<what>.*?)\s+to\s+(?:stdout|program|'1').*$", re.I | re.DOTALL)
_TABLE = re.compile(r"table\s+", re.IGNORECASE)
_REPLACE = re.compile(r"replace\s+(?:low_priority\s+|delayed\s+)?(?:into\s+)?", re.IGNORECASE)
_INTO_FILE = re.compile(
    r"\binto\s+(?:out|dump)file\s+'1'(?:\s+(?:character\s+set\s+\w+|fields|columns|lines|"
    r"terminated|optionally|enclosed|escaped|starting|by|'1'))*",
    re.IGNORECASE,
)
_WORD = re.compile(r"[(\s;]*([a-z]+)", re.IGNORECASE)


@lru_cache(maxsize=_FORMS)
def _reads(bare: str, dialect: str) -> tuple[Read, ...]:
    found = []
    for statement in _apart(bare):
        each = _one(statement, dialect)
        if each is not None:
            found.append(each)
    return tuple(found)


def _apart(bare: str) -> Iterator[str]:
    """Statements without literals and comments end at a semicolon, but in a quoted name."""
    for piece in re.findall(r"(?:\"[^\"]*\"|`[^`]*`|[^;\"`]|[\"`])+", bare):
        if piece.strip():
            yield piece.strip()


def _one(bare: str, dialect: str) -> Read | None:
    """None: it reads nothing."""
    word = _WORD.match(bare)
    first = word[1].lower() if word else ""
    if first == "prepare":
        made = (_PREPARE if dialect == "postgres" else _PREPARE_MYSQL).match(bare)
        if made is None:
            return Read(hidden=True)
        if dialect == "mysql":
            return Read(prepares=_unquoted(made["name"]))  # its text is a literal
        inner = _one(bare[made.end() :], dialect) or Read()
        return Read(inner.relations, inner.hidden, prepares=_unquoted(made["name"]))
    if first == "execute":
        run = _EXECUTE.match(bare)
        return Read(hidden=True, executes=_unquoted(run["name"]) if run else None)
    if first == "declare" and (cursor := _CURSOR.match(bare)):
        opened = _one(bare[cursor.end() :], dialect)
        return replace(opened, cursor=True) if opened else None
    if first == "handler":
        handler = _HANDLER.match(bare)
        return Read(frozenset({tuple(handler["name"].split("."))})) if handler else None
    if first == "set" and dialect == "mysql" and (only := _FOR_ONE.match(bare)):
        return _one(bare[only.end() :], dialect)
    if first == "set" and dialect == "mysql" and _SELECT.search(bare):
        bare = f"select {bare[word.end() :]}" if word else bare  # a variable = (select ...)
        return _parsed(bare.replace(":=", "="), dialect)
    if first in ("explain", "analyze", "analyse") and (run := _RUN.match(bare)):
        return _one(bare[run.end() :], dialect)
    if first == "create" and _MAKES_NO_ROWS.match(bare):
        return None
    if first in _NOTHING or (first in _WRITES and not _FROM_SOMEWHERE.search(bare)):
        return None if not _REFRESH.match(bare) else Read(hidden=True)
    if first == "copy":
        if _COPY_IN.match(bare):
            return None
        out = _COPY_OUT.match(bare)
        if out is None:
            return Read(hidden=True)
        what = out["what"].strip()
        return _one(what[1:-1] if what[:1] == "(" else f"TABLE {what.partition('(')[0]}", dialect)
    if first == "table":
        bare = _TABLE.sub("SELECT * FROM ", bare, count=1)
    elif first == "replace":
        bare = _REPLACE.sub("INSERT INTO ", bare, count=1)
    elif first == "select" and dialect == "mysql":
        bare = _INTO_FILE.sub(" ", bare)
    return _parsed(bare, dialect)


def _unquoted(name: str) -> str:
    return name[1:-1] if name[:1] in '"`' else name.lower()


# --- by its tree ----------------------------------------------------------------------------------

_HARMLESS = _words(
    "version current_setting set_config nextval currval lastval txid_current has_table_privilege"
    " has_schema_privilege has_database_privilege has_column_privilege to_regclass format_type"
    " obj_description col_description shobj_description inet_server_addr inet_server_port"
    " inet_client_addr current_schemas quote_ident quote_literal row_to_json to_jsonb array_to_json"
    " timeofday clock_timestamp statement_timestamp transaction_timestamp age width_bucket"
    " database schema user session_user system_user current_role connection_id last_insert_id"
    " found_rows row_count sleep benchmark get_lock release_lock is_free_lock uuid charset"
    " collation coercibility char_length octet_length bit_length ifnull inet_aton inet_ntoa"
    " inet6_aton inet6_ntoa conv bin oct hex elt field find_in_set format make_set export_set"
    " interval json_extract json_value json_unquote pi convert_tz maketime period_add period_diff"
    " sec_to_time time_to_sec timediff to_seconds weekofyear yearweek utc_date utc_time"
    " utc_timestamp jsonb_pretty jsonb_typeof json_typeof jsonb_set regexp_split_to_table"
    " regexp_matches btrim ltrim rtrim setseed pg_sleep grouping row acldefault aclexplode"
    " has_any_column_privilege has_function_privilege has_sequence_privilege row_security_active"
    " array_to_string array_upper array_lower array_agg"
)
"""functions of the servers that read no table, beyond those the parser knows"""
_READING = _words(
    "query_to_xml query_to_xmlschema query_to_xml_and_xmlschema table_to_xml table_to_xmlschema"
    " schema_to_xml database_to_xml cursor_to_xml load_file lo_get lo_export loread"
    " pg_read_file pg_read_binary_file dblink xpath_table pg_logical_slot_get_changes"
    " pg_logical_slot_peek_changes"
)


@cache
def _parser() -> Any:
    try:
        import sqlglot
        from sqlglot import exp as tree
    except ModuleNotFoundError:
        raise Unreadable(Reason.UNSUPPORTED, MISSING) from None
    import logging

    logging.getLogger("sqlglot").setLevel(logging.CRITICAL)  # it quotes statements
    return sqlglot, tree


def _parsed(bare: str, dialect: str) -> Read | None:
    sqlglot, tree = _parser()
    try:
        parsed = sqlglot.parse_one(bare, read=dialect)
        if parsed is None or isinstance(parsed, tree.Command):
            return Read(hidden=True)
        found = _Relations(tree, fold=dialect == "postgres")
        found.visit(parsed, frozenset())
    except (sqlglot.errors.SqlglotError, RecursionError, ValueError, KeyError, IndexError):
        return Read(hidden=True)  # the message of the parser quotes the statement
    except (AttributeError, TypeError):  # a construct the parser's own code stumbles over
        return Read(hidden=True)
    if not found.relations and not found.hidden:
        return None
    return Read(frozenset(found.relations), found.hidden)


class _Relations:
    """Collects from a tree; knows which names are common table expressions where they stand."""

    def __init__(self, tree: Any, fold: bool) -> None:
        self._tree, self._fold = tree, fold
        self.relations: set[tuple[str, ...]] = set()
        self.hidden = False
        self._targets: set[int] = set()
        """nodes of tables that are written and not read"""

    def visit(self, node: exp.Expression, known: frozenset[str]) -> None:
        """``known``: the names that are no relations here."""
        tree = self._tree
        if isinstance(node, (tree.Into, tree.Lock)):
            return
        if isinstance(node, tree.Create):
            stored = any(
                isinstance(each, tree.MaterializedProperty) for each in node.find_all(tree.Property)
            )
            if node.expression is None or (str(node.args.get("kind")) == "VIEW" and not stored):
                return
            self._written(node.this)
        elif isinstance(node, (tree.Insert, tree.Update, tree.Delete, tree.Merge)):
            gives_back = node.args.get("returning") and (
                not isinstance(node, tree.Insert) or node.args.get("conflict")
            )
            if not gives_back:
                self._written(node.this, *(node.args.get("tables") or ()))
        elif isinstance(node, tree.Table):
            self._table(node, known)
        elif isinstance(node, tree.Func):
            self._function(node)
        inner = known
        names = node.args.get("with_") or node.args.get("with")
        if names is not None:
            own = [self._name(each.args["alias"].this) for each in names.expressions]
            if names.args.get("recursive"):
                inner = known | set(own)
            for name, each in zip(own, names.expressions, strict=True):
                self.visit(each.this, inner)  # its own name is that of a relation, if of any
                inner = inner | {name}
        for child in node.iter_expressions():
            if child is not names:
                self.visit(child, inner)

    def _written(self, *targets: exp.Expression) -> None:
        for target in targets:
            inner = target.this if isinstance(target, self._tree.Schema) else target
            self._targets.add(id(inner))

    def _table(self, node: exp.Table, known: frozenset[str]) -> None:
        parts = tuple(
            self._name(part)
            for part in (node.args.get("catalog"), node.args.get("db"), node.this)
            if isinstance(part, self._tree.Identifier)
        )
        if not isinstance(node.this, self._tree.Identifier):
            if not isinstance(node.this, (self._tree.Func, self._tree.GenerateSeries)):
                self.hidden = True
            return
        if id(node) not in self._targets and (len(parts) > 1 or parts[0] not in known):
            self.relations.add(parts)

    def _name(self, part: exp.Expression) -> str:
        text = str(part.this)
        return text if part.args.get("quoted") or not self._fold else text.lower()

    def _function(self, node: exp.Func) -> None:
        name = node.name.lower() if isinstance(node, self._tree.Anonymous) else ""
        if name in _READING:
            self.hidden = True
        elif isinstance(node, self._tree.Anonymous) and name not in _HARMLESS:
            self.hidden = self.hidden or not name.startswith("pg_")
