"""Every error Cardtrail raises on purpose, and the exit statuses of the contract.

    CardtrailError            a sentence for the user; the run cannot go on
    ├── UsageError            2   wrong option or target: names it, says what was expected
    │   └── ConfigError       2   the same for a key of cardtrail.toml
    ├── LedgerError           2   the ledger is in use, missing, or of another version
    │   └── LedgerWriteError  70  the disk is full: go on later
    ├── NothingInScope        5   targets are fine, but there is nothing in them
    └── Stopped               130/143  a signal asked us to stop; the ledger can resume
    Unreadable                not an error of the run: one unit, member or listing could not be
                              read; it becomes an outcome with its reason and the scan goes on

No message of any of these may hold content of a scanned unit. Messages hold names, and names
that could themselves be data go through ``scanner.seal.seal_name`` first.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum


class ExitCode(IntEnum):
    """Exit statuses, as fixed by the run format."""

    OK = 0
    FINDINGS = 1
    USAGE = 2
    INCOMPLETE = 3
    FINDINGS_AND_INCOMPLETE = 4
    NOTHING_IN_SCOPE = 5
    INTERNAL = 70
    SIGINT = 130
    SIGTERM = 143


class CardtrailError(Exception):
    """A problem that ends the command with a sentence and ``exit_code``."""

    exit_code: ExitCode = ExitCode.INTERNAL


class UsageError(CardtrailError):
    exit_code = ExitCode.USAGE


class ConfigError(UsageError):
    """``file`` and ``key`` say where; ``expected`` says what would have been right."""

    def __init__(self, file: str, key: str, expected: str, found: str = "") -> None:
        where = f"{file}: {key}" if key else file
        got = f", found {found}" if found else ""
        super().__init__(f"{where}: expected {expected}{got}")
        self.file, self.key, self.expected = file, key, expected


class LedgerError(CardtrailError):
    exit_code = ExitCode.USAGE


class LedgerWriteError(LedgerError):
    """The disk is full or fails. What was recorded before is safe."""

    exit_code = ExitCode.INTERNAL


class NothingInScope(CardtrailError):
    exit_code = ExitCode.NOTHING_IN_SCOPE


class Stopped(CardtrailError):
    """Raised in the main process by SIGINT or SIGTERM."""

    def __init__(self, exit_code: ExitCode) -> None:
        super().__init__("stopped")
        self.exit_code = exit_code


class Reason(StrEnum):
    """Why something was not read. The closed vocabulary of ``coverage.reasons``."""

    # skipped: known before reading that it would not be read
    ENCRYPTED = "encrypted"
    UNSUPPORTED = "unsupported-format"
    NOT_REGULAR = "not-a-regular-file"  # FIFO, socket, device
    LINK = "symbolic-link"  # not followed; what it points to is read where it lies, if in scope
    ARCHIVED = "archived"  # needs a restore (Glacier, Deep Archive)
    BUDGET_DEPTH = "budget-depth"
    BUDGET_ENTRIES = "budget-entries"
    BUDGET_BYTES = "budget-bytes"
    BUDGET_TIME = "budget-time"
    BUDGET_MEMORY = "budget-memory"
    SCRATCH_FULL = "scratch-full"
    LOCKED = "locked"  # somebody else holds a lock on the table; nobody is made to wait
    QUICK = "quick-pass"  # a sample was asked for, and found nothing: the rest was left out
    FOREIGN = "foreign-table"  # named, not followed: its rows lie in another store
    DRIVER = "missing-driver"  # a package that is not installed; its detail names it
    PRIMARY = "primary-server"  # replica_only is set, and the server is none
    # failed: tried, and it did not work
    ACCESS_DENIED = "access-denied"
    NOT_FOUND = "not-found"
    VANISHED = "vanished"  # listed, then gone
    CHANGED = "changed-while-read"
    TRUNCATED = "truncated"
    CORRUPT = "corrupt"
    CREDENTIALS = "bad-credentials"
    EXPIRED = "expired-token"
    UNREACHABLE = "endpoint-unreachable"
    THROTTLED = "throttled"
    LINK_LOOP = "link-loop"
    IO_ERROR = "io-error"
    WORKER_DIED = "worker-died"
    TIMED_OUT = "timed-out"
    INTERNAL = "internal-error"  # a defect of ours: never hidden, always an outcome

    @property
    def skips(self) -> bool:
        """True when the outcome is *skipped* (decided), False when it is *failed* (tried)."""
        return self in _SKIPS


_SKIPS = frozenset(
    {
        Reason.ENCRYPTED,
        Reason.UNSUPPORTED,
        Reason.NOT_REGULAR,
        Reason.LINK,
        Reason.ARCHIVED,
        Reason.BUDGET_DEPTH,
        Reason.BUDGET_ENTRIES,
        Reason.BUDGET_BYTES,
        Reason.BUDGET_TIME,
        Reason.BUDGET_MEMORY,
        Reason.SCRATCH_FULL,
        Reason.LOCKED,
        Reason.QUICK,
        Reason.FOREIGN,
        Reason.DRIVER,
        Reason.PRIMARY,
    }
)


class Unreadable(Exception):
    """One unit, member or listing could not be read.

    ``reason`` goes into the outcome; ``detail`` is a sentence for a person and holds no content
    of the unit (error texts of parsers do: do not pass them on).
    """

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else str(reason))
        self.reason, self.detail = reason, detail
