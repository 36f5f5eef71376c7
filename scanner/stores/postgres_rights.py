"""Which role of a PostgreSQL server can read which relation of a database.

The server's own functions judge each privilege (``has_table_privilege`` and the like: inheritance,
PUBLIC, ownership, superusers, pg_read_all_data). What they do not tell is added here: SET ROLE,
row-level security of another role, that a view is read with the rights of its owner, and that
postgres_fdw wants a user mapping. Relations with the same owner, schema and grants are judged once,
so a thousand tables cost little.

No name of a schema is looked up below a view: there its rules say, by number, what is read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import field

from detectors.records import dataclass
from scanner.contracts import SealName
from scanner.model import Held
from scanner.reach import Door, Holding, doors, held_alike
from scanner.stores.postgres_catalogue import spell
from scanner.stores.postgres_session import Session

_AT_ONCE = 100
"""classes of relations judged in one statement, so that none takes long"""
ALLOW, CONDITIONAL = "allow", "conditional"
PUBLIC = 0
"""where the number of a role stands, as in the server's own catalogue"""


@dataclass(frozen=True, slots=True)
class Role:
    oid: int
    name: str
    superuser: bool
    bypasses: bool
    """row-level security"""
    creates: bool
    """CREATEROLE, of a server on which that opens every role (before 16)"""
    replicates: bool
    enters: bool
    """may log in, and into this database"""
    expired: str | None
    """since when its password lets it in no more"""


@dataclass(slots=True)
class Relation:
    oid: int
    key: str
    kind: str
    owner: int
    sample: int
    """the relation that was judged for all with the same rights"""
    secured: bool
    forced: bool
    """row-level security also for the owner"""
    invoker: bool
    """a view that is read with the rights of whoever asks"""


@dataclass(frozen=True, slots=True)
class Reading:
    """That one role can read one relation, and by what."""

    state: str
    way: str
    columns: bool = False
    """only some of its columns"""
    held: Held | None = None

    @property
    def rank(self) -> int:
        """0 is all there is to read."""
        return (2 if self.state == CONDITIONAL else 0) + self.columns


@dataclass(slots=True)
class Rights:
    """All answers of the server, and the questions asked of them."""

    roles: dict[int, Role]
    relations: dict[int, Relation]
    database: str = ""
    privilege: dict[tuple[int, int], bool] = field(default_factory=dict)
    """(sample, role): True for the whole table, False for some columns only"""
    columns: dict[tuple[int, int], frozenset[int]] = field(default_factory=dict)
    """for those, the numbers of the columns"""
    usage: set[tuple[int, int]] = field(default_factory=set)
    """(sample, role): the role may use its schema"""
    grants: dict[int, set[int]] = field(default_factory=dict)
    """sample: roles named in its grants of SELECT"""
    granted: set[int] = field(default_factory=set)
    """those of all samples"""
    given: dict[int, dict[str, set[tuple[int, int]]]] = field(default_factory=dict)
    """sample: of the whole ("") and of each column that was granted by itself, to whom and by whom
    """
    inherited: set[tuple[int, int]] = field(default_factory=set)
    settable: dict[int, list[int]] = field(default_factory=dict)
    administered: dict[int, list[int]] = field(default_factory=dict)
    policies: dict[int, list[frozenset[int]]] = field(default_factory=dict)
    """relation: for each permissive policy that lets rows be read, the roles it is for"""
    bases: dict[int, dict[int, frozenset[int]]] = field(default_factory=dict)
    """view: what it reads, and the numbers of the columns it reads of that"""
    children: dict[int, list[int]] = field(default_factory=dict)
    """parent: its partitions, and the tables that inherit from it; foreign table: the table of
    this very database that it leads back to"""
    mapped: dict[int, set[int]] = field(default_factory=dict)
    """foreign table that needs one: roles with a user mapping"""
    _judged: dict[tuple[int, int], Reading | None] = field(default_factory=dict)

    def reading(self, role: int, relation: int) -> Reading | None:
        """How a role reads a relation that it names, as itself or after SET ROLE."""
        known = self.relations[relation]
        if known.kind in ("v", "f") or known.secured:
            return self._reading(role, relation)
        place = (role, known.sample)
        if place not in self._judged:
            self._judged[place] = self._reading(role, relation)
        return self._judged[place]

    def _reading(self, role: int, relation: int) -> Reading | None:
        best: Reading | None = None
        for identity in (role, *self.settable.get(role, ())):
            if (self.relations[relation].sample, identity) not in self.usage:
                continue
            state = self._state(identity, relation, identity)
            if state is not None:
                way, held = self._way(role, identity, relation)
                found = Reading(state, way, self._part(identity, relation), held)
                if best is None or found.rank < best.rank:
                    best = found
        return best

    def reads_as_public(self, relation: int) -> Reading | None:
        """How any role at all can read it, whatever roles there will be."""
        if (self.relations[relation].sample, PUBLIC) not in self.usage:
            return None
        state = self._state(PUBLIC, relation, PUBLIC)
        if state is None:
            return None
        way, held = "SELECT granted to every role that can log in", Held("PUBLIC", "table")
        return Reading(state, way, self._part(PUBLIC, relation), held)

    def doors(self, seal: SealName) -> tuple[Door, ...]:
        """The views and parents, by what they open."""
        known = self.relations
        edges = {
            known[oid].key: [known[other].key for other in others if other in known]
            for leads in (self.bases, self.children)
            for oid, others in leads.items()
            if oid in known and known[oid].kind != "m"
        }
        views = {each.key for each in known.values() if each.kind == "v"}
        return doors(edges, views, seal)

    def holdings(self, functions: set[int], seal: SealName) -> tuple[Holding, ...]:
        """The grants of SELECT on relations, but for those of owners to themselves. ``functions``:
        whose right SECURITY DEFINER functions read by."""
        definers: dict[int, set[int]] = {}
        for view, bases in self.bases.items():
            if view in self.relations and not self.relations[view].invoker:
                for base in bases:
                    definers.setdefault(base, set()).add(self.relations[view].owner)
        supers = {role.oid for role in self.roles.values() if role.superuser}
        by = {}
        for each in self.relations.values():
            own = {each.owner}
            for column, given in self.given.get(each.sample, {}).items():
                holders = {grantee for grantee, _ in given} - own
                by_it = {
                    role
                    for role in (functions | definers.get(each.oid, set())) - own
                    if role not in supers and self.near(role) & holders
                }
                passing = {grantor for _, grantor in given} - own
                by[each.key, column] = tuple(map(self._names, (holders, passing, by_it)))
        return held_alike(by, seal)

    def near(self, role: int) -> set[int]:
        """Whose grants are its own: PUBLIC, and the groups it is in or can become."""
        found = {PUBLIC, role, *self.settable.get(role, ())}
        return found | {group for member, group in self.inherited if member in found}

    def _names(self, oids: set[int]) -> set[str]:
        return {
            "PUBLIC" if oid == PUBLIC else self.roles[oid].name
            for oid in oids
            if oid == PUBLIC or oid in self.roles  # or it was made while we asked
        }

    def holding(self, role: int) -> Iterator[Held]:
        """All grants on relations or columns that let a role read."""
        for name in sorted(self._names(self.near(role) & self.granted)):
            yield Held(name, "table")

    def holds(self, relation: int, seen: frozenset[int] = frozenset()) -> bool:
        """Whether it holds rows, or is a view of something that does."""
        known = self.relations.get(relation)
        if known is None or relation in seen:
            return False
        if known.kind != "v":
            return True
        return any(self.holds(base, seen | {relation}) for base in self.bases.get(relation, ()))

    def _part(self, role: int, relation: int) -> bool:
        return self.privilege[self.relations[relation].sample, role] is False

    def _state(
        self,
        role: int,
        relation: int,
        asker: int,
        seen: frozenset[int] = frozenset(),
        needed: frozenset[int] = frozenset(),
    ) -> str | None:
        """As itself, and without looking at the schema; all the columns that are ``needed``. What
        lies under a view ``asker`` reads where the view says so (``security_invoker``), also when
        it stands below a view that does not."""
        known = self.relations.get(relation)
        if known is None:  # of the system's own
            return ALLOW
        if (known.sample, role) not in self.privilege or relation in seen:
            return None
        if not needed <= self.columns.get((known.sample, role), needed):
            return None
        if known.kind == "f" and not {role, PUBLIC} & self.mapped.get(relation, {PUBLIC}):
            return None
        if known.kind != "v":
            return self._rows(role, known)
        state = ALLOW
        for base, columns in self.bases.get(relation, {}).items():
            reader = asker if known.invoker else known.owner
            below = self._state(reader, base, asker, seen | {relation}, columns)
            if below is None:
                return None
            if below == CONDITIONAL:
                state = CONDITIONAL
        return state

    def _rows(self, role: int, relation: Relation) -> str | None:
        """What row-level security leaves."""
        if not relation.secured:
            return ALLOW
        if role != PUBLIC:
            who = self.roles[role]
            owns = role == relation.owner or (role, relation.owner) in self.inherited
            if who.superuser or who.bypasses or (owns and not relation.forced):
                return ALLOW
        for meant in self.policies.get(relation.oid, ()):
            if PUBLIC in meant or role in meant or any((role, r) in self.inherited for r in meant):
                return CONDITIONAL
        return None

    def _way(self, role: int, identity: int, relation: int) -> tuple[str, Held]:
        known, who = self.relations[relation], self.roles[identity]
        after = "" if role == identity else f", after SET ROLE {who.name}"
        grantees = self.grants.get(known.sample, set())
        through = [r for r in grantees if (identity, r) in self.inherited]
        if who.superuser:
            way, held = "superuser", Held(who.name, "superuser")
        elif identity == known.owner:
            way, held = "owner", Held(who.name, "owner")
        elif identity in grantees:
            way, held = "SELECT granted", Held(who.name, "table")
        elif (identity, known.owner) in self.inherited:
            owner = self.roles[known.owner].name
            way, held = f"member of the owner {owner}", Held(owner, "owner")
        elif through:
            group = min(self.roles[r].name for r in through)
            way, held = f"SELECT granted to {group}", Held(group, "table")
        elif PUBLIC in grantees:
            way, held = "SELECT granted to PUBLIC", Held("PUBLIC", "table")
        else:
            way, held = "pg_read_all_data", Held(who.name, "read-all")
        return way + after, held


def ask(session: Session) -> Rights:
    """Raises ``Unreadable``."""
    rights = Rights(
        {row[0]: Role(*row) for row in session.rows(_ROLES)},
        {
            row[0]: Relation(row[0], spell(row[1], row[2]), *row[3:])
            for row in session.rows(_RELATIONS)
        },
    )
    ((rights.database,),) = session.rows("SELECT current_database()::text")
    samples = sorted({relation.sample for relation in rights.relations.values()})
    for some in _by(samples, _AT_ONCE):
        for sample, role, table, usage in session.rows(_JUDGED, (some,)):
            rights.privilege[sample, role] = table
            if usage:
                rights.usage.add((sample, role))
        for sample, role, numbers in session.rows(_SOME_COLUMNS, (some,)):
            rights.columns[sample, role] = frozenset(numbers)
        for sample, column, grantee, grantor in session.rows(_GRANTS, (some, some)):
            rights.grants.setdefault(sample, set()).add(grantee)
            rights.granted.add(grantee)
            given = rights.given.setdefault(sample, {})
            given.setdefault(column, set()).add((grantee, grantor))
    setting = "'SET'" if session.version >= 160000 else "'MEMBER'"
    rights.inherited.update(session.rows(_PAIRS.replace("{right}", "'USAGE'")))
    for role, other in session.rows(_PAIRS.replace("{right}", setting)):
        rights.settable.setdefault(role, []).append(other)
    for role, other in session.rows(_PAIRS.replace("{right}", "'MEMBER WITH ADMIN OPTION'")):
        rights.administered.setdefault(role, []).append(other)
    for relation, roles in session.rows(_POLICIES):
        rights.policies.setdefault(relation, []).append(frozenset(roles))
    for parent, child in session.rows(_CHILDREN):
        rights.children.setdefault(parent, []).append(child)
    for table, back, mapped in session.rows(_FOREIGN):
        rights.mapped[table] = set(mapped)
        if back is not None:
            rights.children.setdefault(table, []).append(back)
    for view, base, numbers in session.rows(_BASES):
        rights.bases.setdefault(view, {})[base] = frozenset(numbers or ())
    return rights


def _by(items: Sequence[int], size: int) -> Iterator[list[int]]:
    for start in range(0, len(items), size):
        yield list(items[start : start + size])


_ROLES = """
SELECT oid::bigint, rolname::text, rolsuper, rolbypassrls,
       rolcreaterole AND current_setting('server_version_num')::int < 160000, rolreplication,
       rolcanlogin AND (rolconnlimit <> 0 OR rolsuper)  -- which binds no superuser
         AND has_database_privilege(oid, current_database(), 'CONNECT'),
       CASE WHEN rolvaliduntil <= now()
            THEN to_char(rolvaliduntil AT TIME ZONE 'UTC', 'YYYY-MM-DD') END
FROM pg_roles ORDER BY rolname COLLATE "C"
"""
_RELATIONS = """
SELECT c.oid::bigint, n.nspname::text, c.relname::text, c.relkind::text, c.relowner::bigint,
       min(c.oid::bigint) OVER (
         PARTITION BY c.relowner, c.relnamespace, c.relacl::text,
         CASE WHEN EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid
                           AND a.attacl IS NOT NULL) THEN c.oid END),
       c.relrowsecurity, c.relforcerowsecurity,
       coalesce((SELECT option_value::boolean FROM pg_options_to_table(c.reloptions)
                 WHERE option_name = 'security_invoker'), false)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'm', 'v', 'f') AND c.relpersistence <> 't'
  AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
"""
_JUDGED = """
SELECT c.oid::bigint, r.oid::bigint, has_table_privilege(r.oid, c.oid, 'SELECT'),
       has_schema_privilege(r.oid, c.relnamespace, 'USAGE')
FROM pg_class c, (SELECT oid FROM pg_roles UNION ALL SELECT 0) r  -- 0: PUBLIC
WHERE c.oid = ANY(%s::oid[]) AND has_any_column_privilege(r.oid, c.oid, 'SELECT')
"""
_SOME_COLUMNS = """
SELECT c.oid::bigint, r.oid::bigint, array_agg(a.attnum::int)
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT attisdropped
CROSS JOIN (SELECT oid FROM pg_roles UNION ALL SELECT 0) r
WHERE c.oid = ANY(%s::oid[])
  AND EXISTS (SELECT FROM pg_attribute x WHERE x.attrelid = c.oid AND x.attacl IS NOT NULL)
  AND NOT has_table_privilege(r.oid, c.oid, 'SELECT')
  AND has_column_privilege(r.oid, c.oid, a.attnum, 'SELECT')
GROUP BY 1, 2
"""
_GRANTS = """
SELECT c.oid::bigint, '', x.grantee::bigint, x.grantor::bigint
FROM pg_class c, aclexplode(c.relacl) x
WHERE c.oid = ANY(%s::oid[]) AND x.privilege_type = 'SELECT'
UNION
SELECT a.attrelid::bigint, a.attname::text, x.grantee::bigint, x.grantor::bigint
FROM pg_attribute a, aclexplode(a.attacl) x
WHERE a.attrelid = ANY(%s::oid[]) AND x.privilege_type = 'SELECT'
"""
_PAIRS = """
SELECT r.oid::bigint, g.oid::bigint FROM pg_roles r, pg_roles g
WHERE r.oid <> g.oid AND NOT r.rolsuper AND pg_has_role(r.oid, g.oid, {right})
  AND (g.oid IN (SELECT roleid FROM pg_auth_members) OR g.rolname = 'pg_database_owner')
ORDER BY g.rolname COLLATE "C"
"""
_POLICIES = """
SELECT polrelid::bigint, polroles::bigint[] FROM pg_policy
WHERE polpermissive AND polcmd IN ('r', '*')
"""
_CHILDREN = """
SELECT i.inhparent::bigint, i.inhrelid::bigint
FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhparent WHERE c.relkind IN ('r', 'p', 'f')
"""
_FOREIGN = """
SELECT f.ftrelid::bigint, back.oid::bigint,
       array(SELECT m.umuser::bigint FROM pg_user_mappings m WHERE m.srvid = s.oid)
FROM pg_foreign_table f JOIN pg_class c ON c.oid = f.ftrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_foreign_server s ON s.oid = f.ftserver
JOIN pg_foreign_data_wrapper w ON w.oid = s.srvfdw JOIN pg_proc h ON h.oid = w.fdwhandler
CROSS JOIN LATERAL (SELECT json_object_agg(option_name, option_value) AS has
                    FROM pg_options_to_table(f.ftoptions || s.srvoptions)) option
LEFT JOIN (pg_class back JOIN pg_namespace its ON its.oid = back.relnamespace)
  ON its.nspname = coalesce(has ->> 'schema_name', n.nspname)
 AND back.relname = coalesce(has ->> 'table_name', c.relname)
 AND has ->> 'dbname' = current_database()
 AND coalesce(has ->> 'port', '5432') = current_setting('port')
 AND coalesce(has ->> 'hostaddr', has ->> 'host', '/')
     ~ ('^(/.*|localhost|127[.][0-9.]+|::1|' || coalesce(host(inet_server_addr()), '') || ')$')
WHERE h.proname = 'postgres_fdw_handler'
"""
"""the one wrapper that is known to need a mapping"""
_BASES = """
SELECT w.ev_class::bigint, d.refobjid::bigint,
       array_agg(d.refobjsubid) FILTER (WHERE d.refobjsubid > 0)
FROM pg_rewrite w
JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid
  AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> w.ev_class
JOIN pg_class c ON c.oid = d.refobjid AND c.relkind IN ('r', 'p', 'm', 'v', 'f')
WHERE w.ev_type = '1'
GROUP BY 1, 2 ORDER BY 1, 2
"""
