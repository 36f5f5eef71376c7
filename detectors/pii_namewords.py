"""What the name of a column says of its values, and what a name looks like."""

from __future__ import annotations

import re
from functools import lru_cache

from detectors.pii_view import plain

_ROLE = (
    r"(?:customer|client|contact|employee|person|patient|member|holder|card ?holder|account ?holder"
    r"|owner|guest|passenger|travell?er|driver|mothers?|fathers?|spouse|partner|beneficiary"
    r"|recipient|buyer|payer|payee|billing|shipping|signatory|applicant|tenant|insured|subscriber"
    r"|student|teacher|doctor|author|kunden?|staff|donor|attendee|emergency(?: contact)?)"
)
_PERSON = re.compile(
    rf"\b(?:first|last|full|middle|given|family|maiden|nick|birth|legal|preferred) ?names?\b"
    rf"|\b{_ROLE}(?:'?s)? ?(?:first |last |full )?names?\b|\bname on (?:the )?card\b"
    rf"|\b(?:f|l|sur|fore|first|last|full|given|middle)names?\b|\bcard ?holder\b"
    r"|\bmothers? maiden\b"
    r"|\b(?:vor|nach|familien)name\b|\bapellidos?\b|\bpr[eé]nom\b|\bcognome\b|\bsobrenome\b"
)
_PERHAPS_PERSON = re.compile(rf"(?:\A|\. ?|\b)names?\Z|\A{_ROLE}s?\Z|\b(?:attn|signed by|nombre)\b")
_NO_PERSON = re.compile(
    r"\b(?:file|host|domain|path|table|column|product|item|class|schema|db|database|server"
    r"|service|event|method|package|app|application|device|company|organi[sz]ation|brand|store|bank"
    r"|school|hotel|project|team|role|group|tag|category|field|key|bucket|index|login|screen|image"
    r"|font|colou?r|artist|track|album|song|playlist|genre|media|code|type|kind|currency"
    r"|plan|campaign|model|vendor|supplier|department|division|unit|feature|module|job|task|node"
    r"|cluster|region|zone|network|city|country|county|street|state|province|town) ?names?\b"
)
_PLACE = re.compile(
    r"\b(?:city|town|village|suburb|birth ?place|place of birth|street|address ?(?:line ?)?\d?"
    r"|addr ?\d?|residence|county|province|postal address|stra(?:ss|ß)e|wohnort|ville|ciudad|citta"
    r"|direcci[oó]n|adresse|anschrift)(?: ?names?)?\b"
)
_PERHAPS_PLACE = re.compile(r"\b(?:state|country|location|place|destination|origin|hometown)\b")
_NO_PLACE = re.compile(
    r"\b(?:ip|mac|e ?mail|mail|url|web|wallet|memory|btc|bitcoin|host|remote|server|peer|client"
    r"|bind|listen|contract|hw|network|id|code|status|machine|type)\b"
)

_WORD = r"[^\W\d_][^\W\d_'’.\-]*(?:['’.\-][^\W\d_]+)*\.?"
_NAME = re.compile(rf"{_WORD}(?:,? {_WORD}){{0,4}}\Z")
_FILLED_IN = re.compile(
    r"(?:none|null|nil|n/?a|unknown|undefined|anonymous|test|admin|root|active|inactive|true|false"
    r"|yes|no|male|female|other|default|system|guest|pending|open|closed|new|name)\Z",
    re.IGNORECASE,
)


OTHER = "OTHER"


@lru_cache(4096)
def column(name: str) -> tuple[str, str]:
    """The entity that a column's values are likely to be, "" where its name says nothing,
    ``OTHER`` where it says something else; and the word that leaves no doubt, "" without one."""
    last = plain(name).replace("-", " ").rpartition(".")[2]
    place = _PLACE.search(last)
    if place and not _NO_PLACE.search(last):
        return "LOCATION", place[0]
    if _NO_PERSON.search(last):
        return OTHER, ""
    person = _PERSON.search(last)
    if person:
        return "PERSON", person[0]
    if _PERHAPS_PERSON.search(last):
        return "PERSON", ""
    if _PERHAPS_PLACE.search(last) and not _NO_PLACE.search(last):
        return "LOCATION", ""
    return "", ""


def like_a_name(text: str) -> bool:
    """One to five words of letters, at least one of them with a capital."""
    return (
        2 <= len(text) <= 60
        and not text.islower()
        and _NAME.match(text) is not None
        and _FILLED_IN.match(text) is None
    )


def like_a_place(text: str) -> bool:
    """A place or an address: letters, and not a code or a number."""
    letters = sum(char.isalpha() for char in text)
    return 3 <= len(text) <= 120 and letters >= 3 and not text.islower() and "@" not in text


_NO_NAME = re.compile(
    r"[@\d/\\_<>{}\[\]=|#*+:;\n\t\"“”]|\b(?:Inc|Ltd|LLC|GmbH|Corp|Co|PLC|S\.?A|App|API|Apt|Suite|Street|Str"
    r"|Road|Rd|Avenue|Ave|Lane|Drive|Blvd|Box|Via|Rue|Strasse|Way|PO|Visa|MasterCard|Mastercard"
    r"|Amex|Maestro|Discover|Diners|JCB|Laugarvegur|Hi|Hello|Dear|Thanks|Yes|Oh|Tel|Phone|Fax"
    r"|Email|Mobile|Office|IBAN|SSN|PIN|CVV|Http|Www)\b"
)
_NO_PLACE_TEXT = re.compile(
    r"[@/\\_<>{}\[\]=|#*+:;\"“”]|\b(?:Visa|MasterCard|IBAN|SSN|CVV|Inc|Ltd)\b"
)
_ARTICLE = re.compile(
    r"(?:the|a|an|this|that|these|my|your|his|her|its|our|their)\s", re.IGNORECASE
)


_FRONT = re.compile(r"(?:(?:a|an|the)\s+|[^\w]+)+", re.IGNORECASE)
_BACK = re.compile(r"[^\w.)]*(?:\s(?:Apt|Suite|P\.?O|Str|'s|’s)\b.*)?[^\w.)]*\Z")


def trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    """The span of a name without the article in front and the flat behind it that the model takes
    for a part of it."""
    front = _FRONT.match(text, start, end)
    start = front.end() if front else start
    back = _BACK.search(text, start, end)
    return start, back.start() if back else end


def probability(entity: str, text: str) -> float:
    """Of what the model takes for a name in running text. The figures are shares that were
    counted on labelled texts (``make accuracy``); 0 for what no name looks like."""
    words = text.split()
    if not words or len(text) < 2 or len(words) > 6 or text.isdigit():
        return 0.0
    if entity == "PERSON":
        if _NO_NAME.search(text) or _ARTICLE.match(text):
            return 0.0
        if len(words) > 1 and all(word[:1].isupper() for word in words):
            return 0.82
        return 0.6 if text[:1].isupper() else 0.4
    if _NO_PLACE_TEXT.search(text) or text.endswith(("'", "'s", "’s")):
        return 0.0
    return 0.6 if text[:1].isupper() else 0.4
