"""What is looked for under the settings of this process, and what was learnt on the way."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from detectors import pii_email, pii_ip, pii_phone, pii_presidio
from detectors.pii_fastpass import Anchor, FastPass
from detectors.pii_kind import leads
from detectors.pii_kinds import KINDS
from detectors.pii_settings import PiiSettings, settings
from detectors.pii_targets import (
    EMAIL,
    EMAIL_URL,
    IP4,
    IP6,
    PHONE,
    PHONE_WORD,
    PLUS,
    SHAPE,
    WORD,
)

if TYPE_CHECKING:
    from detectors.pii_dense import Emails, Phones
    from detectors.runs import Places

_WORD = re.compile(r"(?:\A|(?<=\|))([a-z]{3,})(?:s\?)?(?=\||\Z)")


class Plan:
    """What is looked for under the settings of this process, and what was learnt on the way."""

    def __init__(self, chosen: PiiSettings) -> None:
        self.limit = chosen.list_at_most
        self.kinds = [kind for kind in KINDS if chosen.has(kind.regions)]
        self.phones = chosen.phone_regions()
        anchors = [
            Anchor(pii_email.ANCHOR, EMAIL),
            Anchor(pii_email.ESCAPED, EMAIL_URL),
            Anchor(pii_phone.INTERNATIONAL, PLUS),
            Anchor(pii_ip.V4, IP4),
            Anchor(pii_ip.V6, IP6),
            Anchor(pii_ip.V6_SHORT, IP6),
            *(Anchor(pattern, PHONE) for pattern in pii_phone.NATIONAL),
            *(Anchor(pattern, PHONE_WORD, caseless=True) for pattern in pii_phone.ANCHOR_WORDS),
        ]
        for index, kind in enumerate(self.kinds):
            anchors += [Anchor(pattern, SHAPE + index) for pattern in kind.anchors]
            if leads(kind):
                # the end of a word is checked afterwards, and its tail may vary
                words = leads(kind).replace(r"\w*", "").encode()
                anchors.append(Anchor(rb"(?:\b|_)(?:" + words + rb")", WORD + index, caseless=True))
                camel = [w.title().encode() for w in _WORD.findall(leads(kind)) if w.isalpha()]
                if camel:  # inside a name, as in userSsn
                    anchors.append(Anchor(rb"[a-z](?:" + b"|".join(camel) + rb")", WORD + index))
        self.fast = FastPass(anchors)
        self._anchors = anchors
        self._rest: FastPass | None = None
        self.confirmed = [0] * len(self.kinds)
        self.domains = pii_email.Domains(
            lambda text: pii_presidio.confirms(
                "EmailRecognizer", "EMAIL_ADDRESS", text, 0, len(text)
            )
        )
        self._dense: Dense | None = None
        self.user = []
        if chosen.patterns:
            from detectors.pii_user import compile_all

            self.user = compile_all([one for one in chosen.patterns if chosen.has(one.regions)])

    def crowded(self, data: bytes) -> Places:
        """The hits of the fast pass, as an array, for a buffer that is crowded with those that
        ``pii_anchors`` finds."""
        import numpy as np

        from detectors import pii_anchors

        found = np.array(self.rest().hits(data), np.int64)
        return np.sort(np.concatenate([found, pii_anchors.hits(data)]))

    def rest(self) -> FastPass:
        """The fast pass without the anchors of ``pii_anchors``."""
        from detectors.pii_anchors import FOUND_HERE

        if self._rest is None:
            self._rest = FastPass([a for a in self._anchors if a.target not in FOUND_HERE])
        return self._rest

    def dense(self) -> Dense:
        """What tells values in masses."""
        if self._dense is None:
            from detectors import pii_dense  # needs numpy

            self._dense = Dense(pii_dense.Emails(self.domains.state), pii_dense.Phones(self.phones))
        return self._dense


class Dense(NamedTuple):
    emails: Emails
    phones: Phones


@cache
def plan(number: int) -> Plan:
    return Plan(settings())
