"""How numbers, times, places and the terms of the run document are said to a person.

Everything returned is plain text and may still hold hostile names: a format that shows it to a
person passes it through ``scanner.text.printable`` (and its own escaping) last.
"""

from __future__ import annotations

from datetime import datetime

from reports.figures import utc
from scanner.model import Coverage, Location, Status, Store, Tri, Verdict
from scanner.text import plural as plural

# --- numbers, sizes, times ----------------------------------------------------------------------


def number(value: int | None) -> str:
    """With thousands separators; ``unknown`` for None."""
    return "unknown" if value is None else f"{value:,}"


def size(value: int | None) -> str:
    """Bytes in binary units with three figures at most; ``unknown`` for None."""
    if value is None:
        return "unknown"
    if value < 1024:
        return plural(value, "byte")
    amount = float(value)
    for unit in ("KiB", "MiB", "GiB", "TiB", "PiB", "EiB"):
        amount /= 1024
        if amount < 1023.5 or unit == "EiB":
            break
    return f"{amount:.1f} {unit}" if amount < 99.95 else f"{amount:,.0f} {unit}"


def share(part: int, whole: int) -> str:
    """A percentage that never rounds up to 100 or down to 0: those two words mean all and none."""
    if whole <= 0:
        return "–"
    if part >= whole:
        return "100 %"
    if part <= 0:
        return "0 %"
    percent = 100 * part / whole
    if percent < 0.1:
        return "under 0.1 %"
    if percent > 99.9:
        return "over 99.9 %"
    return f"{percent:.1f} %" if percent < 10 or percent > 99 else f"{percent:.0f} %"


def moment(when: datetime | None) -> str:
    """``2026-03-02 06:30 UTC``; ``unknown`` for None."""
    return "unknown" if when is None else f"{utc(when):%Y-%m-%d %H:%M} UTC"


def day(when: datetime | None) -> str:
    return "unknown" if when is None else f"{utc(when):%Y-%m-%d}"


def duration(start: datetime, end: datetime | None) -> str:
    """``4 min 11 s``; ``not finished`` for None."""
    if end is None:
        return "not finished"
    seconds = max(0, round((utc(end) - utc(start)).total_seconds()))
    hours, rest = divmod(seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"


# --- places -------------------------------------------------------------------------------------


def place(location: Location | None) -> str:
    """``line 12, column 5`` and whatever else is known, outermost first; empty when nothing is."""
    if location is None:
        return ""
    parts = (
        ("member ", location.member),
        ("page ", location.page),
        ("sheet ", location.sheet),
        ("row ", location.row if location.key is None else location.key),
        ("field ", location.field),
        ("line ", location.line),
        ("column ", location.column),
    )
    said = [f"{word}{value}" for word, value in parts if value is not None]
    if location.offset is not None and location.line is None and location.row is None:
        said.append(f"byte {location.offset}")
    return ", ".join(said)


def path_place(unit: str, location: Location | None) -> str:
    """``path:line:column`` as editors and terminals open it; members as ``path!member``."""
    if location is None:
        return unit
    where = unit if location.member is None else f"{unit}!{location.member}"
    if location.line is not None:
        where += f":{location.line}"
        where += "" if location.column is None else f":{location.column}"
    elif location.offset is not None and location.row is None:
        where += f" at byte {location.offset}"
    inside = (
        ("page", location.page),
        ("sheet", location.sheet),
        ("row", location.key or (location.row if location.line is None else None)),
        ("field", location.field),
    )
    rest = ", ".join(f"{word} {value}" for word, value in inside if value is not None)
    return f"{where} ({rest})" if rest else where


# --- terms --------------------------------------------------------------------------------------

SAD = frozenset({"TRACK_1", "TRACK_2", "CVV", "PIN_BLOCK"})
"""Entities that are sensitive authentication data: never kept after authorisation (3.3.1)."""

_ENTITIES = {
    "PAN_WITH_SAD": "Card number with its verification code or PIN block",
    "PAN_WITH_HOLDER": "Card number with name and expiry date",
    "EXPIRY_DATE": "Expiry date",
    "SERVICE_CODE": "Service code",
    "SEVERAL_KINDS": "Several kinds, not told apart",
    "CREDIT_CARD": "Card number (PAN)",
    "TRACK_1": "Track 1",
    "TRACK_2": "Track 2",
    "CVV": "Card verification code",
    "PIN_BLOCK": "PIN block",
    "PAN_HASH": "Hash of a PAN",
    "DATABASE_DUMP": "Dump of a database",
    "EMAIL_ADDRESS": "E-mail address",
    "PHONE_NUMBER": "Phone number",
    "PERSON": "Person name",
    "LOCATION": "Place name",
    "DATE_TIME": "Date",
    "IP_ADDRESS": "IP address",
    "MAC_ADDRESS": "MAC address",
    "IBAN_CODE": "IBAN",
    "US_SSN": "US Social Security number",
    "US_ITIN": "US ITIN",
    "UK_NHS": "UK NHS number",
    "UK_NINO": "UK National Insurance number",
    "CRYPTO": "Crypto wallet",
    "DE_FUEHRERSCHEIN": "DE driving licence",
    "DE_LANR": "DE number of a physician (LANR)",
    "IN_PAN": "IN tax number (PAN)",
    "IN_VOTER": "IN voter card",
    "SG_NRIC_FIN": "SG NRIC or FIN",
}
_BRANDS = {
    "visa": "Visa",
    "mastercard": "Mastercard",
    "amex": "American Express",
    "diners": "Diners Club",
    "discover": "Discover",
    "jcb": "JCB",
    "unionpay": "UnionPay",
    "maestro": "Maestro",
    "mir": "Mir",
    "rupay": "RuPay",
}
_NUMBERS = {
    *("aba", "abn", "api", "aws", "frn", "gstin", "id", "jwt", "mbi", "nie", "nif", "nin"),
    *("npi", "pesel", "rrn", "sas", "sin", "tfn", "tin", "tnin", "umid", "url"),
}
"""written in capitals, as are the countries that names begin with"""
_NAMES = {
    "aadhaar": "Aadhaar",
    "anthropic": "Anthropic",
    "atlassian": "Atlassian",
    "azure": "Azure",
    "databricks": "Databricks",
    "digitalocean": "DigitalOcean",
    "discord": "Discord",
    "docker": "Docker",
    "github": "GitHub",
    "gitlab": "GitLab",
    "google": "Google",
    "grafana": "Grafana",
    "huggingface": "Hugging Face",
    "linear": "Linear",
    "mailchimp": "Mailchimp",
    "medicare": "Medicare",
    "newrelic": "New Relic",
    "oauth": "OAuth",
    "openai": "OpenAI",
    "postman": "Postman",
    "pypi": "PyPI",
    "sendgrid": "SendGrid",
    "shopify": "Shopify",
    "slack": "Slack",
    "square": "Square",
    "stripe": "Stripe",
    "telegram": "Telegram",
    "twilio": "Twilio",
    "vault": "Vault",
}


def entity(name: str) -> str:
    """An entity in words; one that is not known here is its own name, made readable."""
    if name in _ENTITIES:
        return _ENTITIES[name]
    secret = name.startswith("SECRET_")
    first, *others = name.removeprefix("SECRET_").lower().split("_")
    country = len(first) == 2 and not secret
    text = " ".join([first.upper() if country else _written(first), *map(_written, others)])
    return f"Secret: {text}" if secret else text[:1].upper() + text[1:]


def _written(word: str) -> str:
    return word.upper() if word in _NUMBERS else _NAMES.get(word, word)


def brand(name: str) -> str:
    return _BRANDS.get(name, name)


def store_kind(store: Store) -> str:
    known = {
        "files": "Files",
        "s3": "S3 bucket",
        "sqlite": "SQLite database",
        "duckdb": "DuckDB database",
        "postgresql": "PostgreSQL database",
        "mysql": "MySQL or MariaDB database",
        "mongodb": "MongoDB database",
        "sqlalchemy": "SQL database",
        "cloudwatch": "CloudWatch log group",
    }
    return known.get(store.kind, store.kind)


VERDICTS = {
    Verdict.UNPROTECTED: "Unprotected",
    Verdict.PROTECTED: "Protected",
    Verdict.NO_CARD_DATA: "No card data",
    Verdict.UNKNOWN: "Cannot say",
}
STATUSES = {
    Status.SCANNED: "Read in full",
    Status.SAMPLED: "Read in part",
    Status.SKIPPED: "Skipped",
    Status.FAILED: "Failed",
}
TRI = {Tri.YES: "Yes", Tri.NO: "No", Tri.UNKNOWN: "Unknown"}
COVERAGE = {
    Coverage.COMPLETE: "Complete",
    Coverage.PARTIAL: "Partial",
    Coverage.NONE: "None",
    Coverage.UNKNOWN: "Unknown",
}

_CONTROLS = {
    "public-access": "Open to the public",
    "public-access-block": "Public access blocked",
    "public-access-block-account": "Public access blocked, account",
    "public-access-block-bucket": "Public access blocked, bucket",
    "default-encryption": "Default encryption",
    "access-logging": "Access logging",
    "logging": "Access logging",
    "data-events": "Data events recorded",
    "versioning": "Versioning",
    "file-mode": "File mode",
    "encryption": "Encryption",
    "owner": "Owner",
    "owner-only-mode": "Readable by its owner only",
    "known-owner": "Owner is a known account",
    "tls-only": "TLS required",
    "no-grant-to-public": "Nothing granted to everybody",
    "scanned-over-tls": "Scanned over TLS",
    "strong-passwords": "Passwords stored strongly",
    "read-only-role": "The scanning role can only read",
}


def control(name: str) -> str:
    """A protection control in words."""
    return _CONTROLS.get(name) or (name[:1].upper() + name[1:]).replace("-", " ")


_REASONS = {
    "encrypted": (
        "Encrypted: no key to read it with",
        "Give the key or password, or scan it where it is decrypted.",
    ),
    "unsupported-format": (
        "No reader for this format",
        "Convert it, or exclude it if it cannot hold cards.",
    ),
    "not-a-regular-file": (
        "Not a file: FIFO, socket or device",
        "Nothing to do, unless data is piped through it.",
    ),
    "symbolic-link": (
        "A symbolic link, not followed",
        "Its target is read where it lies, if that is in scope.",
    ),
    "archived": (
        "In an archive tier: needs a restore",
        "Restore it, then scan again.",
    ),
    "budget-depth": (
        "Nested deeper than the limit",
        "Raise the depth limit for this store.",
    ),
    "budget-entries": (
        "More members than the limit",
        "Raise the entries limit for this store.",
    ),
    "budget-bytes": (
        "Unpacks to more than the limit",
        "Raise the bytes limit for this store.",
    ),
    "budget-time": (
        "Took longer than the limit",
        "Raise the time limit for this store.",
    ),
    "budget-memory": (
        "Needs more memory than the limit",
        "Raise the memory limit for this store.",
    ),
    "scratch-full": (
        "No room on the scratch disk",
        "Free space or point the scratch folder elsewhere.",
    ),
    "locked": (
        "Somebody held a lock on it",
        "Scan again when the lock is gone; nobody was made to wait.",
    ),
    "quick-pass": (
        "A first pass over a sample (--quick) found nothing",
        "Scan without --quick to read the rest; its detail says what a sample may miss.",
    ),
    "foreign-table": (
        "A foreign table, not followed",
        "Scan the store its rows lie in.",
    ),
    "missing-driver": (
        "The driver for it is not installed",
        "Install it, then scan again.",
    ),
    "primary-server": (
        "A primary, and replica_only is set",
        "Name a replica in its place, or leave replica_only out.",
    ),
    "access-denied": (
        "Access was denied",
        "Grant read to the scanning role; SECURITY.md has the least policy.",
    ),
    "not-found": (
        "Does not exist",
        "Check the name in the configuration.",
    ),
    "vanished": (
        "Listed, then gone",
        "Scan again: it may have been renamed or rotated.",
    ),
    "changed-while-read": (
        "Changed while it was read",
        "Scan again when it is at rest.",
    ),
    "truncated": (
        "Ends before it should",
        "Fetch or write it again; it cannot be judged as it is.",
    ),
    "corrupt": (
        "Damaged: cannot be decoded",
        "Fetch or write it again; it cannot be judged as it is.",
    ),
    "bad-credentials": (
        "Credentials were refused",
        "Check the credentials in use.",
    ),
    "expired-token": (
        "The token expired",
        "Sign in again, then scan with --resume.",
    ),
    "endpoint-unreachable": (
        "The endpoint did not answer",
        "Check network and endpoint, then scan with --resume.",
    ),
    "throttled": (
        "Throttled by the server",
        "Lower the rate, then scan with --resume.",
    ),
    "link-loop": (
        "Symbolic links in a circle",
        "Remove the loop.",
    ),
    "io-error": (
        "An input/output error",
        "Check the disk or mount.",
    ),
    "worker-died": (
        "The worker process died on it",
        "Report it; give the worker more memory.",
    ),
    "timed-out": (
        "Took too long and was stopped",
        "Raise the time limit for this store.",
    ),
    "internal-error": (
        "A defect of this tool",
        "Please report it: it is ours to fix.",
    ),
}


def reason(code: str | None) -> str:
    """Why something was not read, in words; an unknown code is its own name."""
    if code is None:
        return "No reason was recorded"
    return _REASONS[code][0] if code in _REASONS else code.replace("-", " ").capitalize()


def unread_evidence(source: str, why: str) -> str:
    return f"{source}: {why}. What it would tell of reads is not known."


def remedy(code: str | None) -> str:
    """What to do about a reason; empty for a code not known here."""
    return _REASONS[code][1] if code in _REASONS else ""
