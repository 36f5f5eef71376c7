"""PCI DSS v4.0.1 in our words, as far as reports refer to it.

Gathered from public secondary texts and PCI SSC FAQs, not from the standard's own document, which
these sentences do not replace. ``GUIDANCE`` are those recalled and not seen in a text.
"""

from __future__ import annotations

TEXT = {
    "3.2.1": "Account data is kept no longer than a retention policy allows, in every place; that"
    " expired data is gone is verified at least every three months.",
    "3.3.1": "Sensitive authentication data is not kept after authorisation, even encrypted.",
    "3.3.1.1": "The full contents of a track are not kept after authorisation.",
    "3.3.1.2": "The card verification code is not kept after authorisation.",
    "3.3.1.3": "The PIN and the PIN block are not kept after authorisation.",
    "3.4.1": "A PAN is shown with at most the BIN and the last four digits, unless there is a"
    " documented need.",
    "3.5.1": "A PAN is unreadable wherever it is stored, backups and logs included: keyed hash,"
    " truncation, token or strong cryptography. Hashed and truncated forms of one PAN must not be"
    " correlatable.",
    "3.5.1.1": "A hash that makes a PAN unreadable is a keyed hash of the whole PAN.",
    "3.5.1.2": "Disk or partition encryption makes a PAN unreadable on removable media only;"
    " elsewhere it is a fact, not protection.",
    "6.5.5": "Live PANs are not used before production, unless inside the cardholder-data"
    " environment.",
    "6.5.6": "Test data and test accounts are removed before a system goes into production.",
    "7.2.4": "Access is reviewed at least every six months, third parties included.",
    "7.2.6": "Stored cardholder data is queried through programs; only the few responsible"
    " administrators read it directly.",
    "10.2.1.1": "Audit logs record every individual user's access to cardholder data.",
    "10.2.2": "Audit logs tell user, event, time, result, origin and the data affected.",
    "10.5.1": "Audit logs are kept for twelve months, the last three at hand.",
    "12.5.2": "The scope is confirmed at least every twelve months and on significant change.",
    "12.10.7": "When a PAN is found where it is not expected, a response procedure says what is"
    " done with it, whether sensitive authentication data lies with it, where it came from, and"
    " how the leak is fixed.",
    "A3.2.5": "Data discovery locates clear PANs at least every three months.",
    "A3.2.5.1": "The methods of data discovery are shown to work on the systems and file formats in"
    " use, at least every twelve months.",
}
GUIDANCE = frozenset({"A3.2.5", "A3.2.5.1"})

CITED_ALWAYS = ("3.3.1", "3.4.1", "3.5.1", "3.5.1.2", "10.2.1.1", "12.10.7", "A3.2.5", "A3.2.5.1")
"""Requirements the report refers to whatever was found."""


def text(number: str) -> str:
    """The requirement in our words; a number not known here is only named."""
    return TEXT.get(number, "See the standard.")


def order(number: str) -> tuple[bool, tuple[int, ...]]:
    """Sort key: 3.5.1 before 10.2.2, appendices last."""
    appendix = not number[:1].isdigit()
    parts = number.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ").split(".")
    return appendix, tuple(int(part) for part in parts if part.isdecimal())
