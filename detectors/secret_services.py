"""Tokens of services that have a prefix and a length of their own: one line each.

detect-secrets confirms those it knows; for the others the prefix, the length and, where the maker
built one in, the checksum stand in for it.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from detectors import secret_checks as checks
from detectors.secret_kind import Kind, shape


def _token(
    entity: str,
    prefix: bytes,
    body: bytes,
    plugin: str = "",
    judge: Callable[[str], float] = checks.token,
) -> Kind:
    """Looked for by ``prefix``, which Hyperscan and Python read alike."""
    whole = prefix + body
    anchor = prefix + body.split(b"{")[0] + b"{8}" if b"{" in body else whole
    return Kind(entity, anchor, shape(whole), plugin, judge, reach=32)


_HEX = rb"[0-9a-f]"
_WORD = rb"[A-Za-z0-9]"
_URL = rb"[A-Za-z0-9_\-]"

SERVICES: tuple[Kind, ...] = (
    _token("SECRET_TWILIO_KEY", rb"\bSK", _HEX + rb"{32}", "twilio.TwilioKeyDetector"),
    _token("SECRET_SQUARE_TOKEN", rb"sq0atp-", _URL + rb"{22}"),
    _token("SECRET_SQUARE_TOKEN", rb"sq0csp-", _URL + rb"{43}", "square_oauth.SquareOAuthDetector"),
    _token("SECRET_SHOPIFY_TOKEN", rb"shp(?:at|ca|pa|ss)_", rb"[0-9a-fA-F]{32}"),
    _token("SECRET_DIGITALOCEAN_TOKEN", rb"do[opr]_v1_", _HEX + rb"{64}"),
    _token("SECRET_DOCKER_TOKEN", rb"dckr_[po]at_", _URL + rb"{27,64}"),
    _token("SECRET_DATABRICKS_TOKEN", rb"\bdapi", _HEX + rb"{32}(?:-[0-9])?"),
    _token("SECRET_HUGGINGFACE_TOKEN", rb"\bhf_", rb"[A-Za-z]{34}"),
    _token(
        "SECRET_GRAFANA_TOKEN",
        rb"glsa_",
        _WORD + rb"{32}_[0-9a-f]{8}",
        judge=lambda text: checks.token(text[:37]),
    ),
    _token("SECRET_VAULT_TOKEN", rb"hv[sbr]\.", _URL + rb"{24,260}"),
    _token("SECRET_ATLASSIAN_TOKEN", rb"ATATT3", rb"[A-Za-z0-9_\-=]{60,250}"),
    _token("SECRET_POSTMAN_KEY", rb"PMAK-", _HEX + rb"{24}-[0-9a-f]{34}"),
    _token("SECRET_LINEAR_KEY", rb"lin_api_", _WORD + rb"{40}"),
    _token("SECRET_NEWRELIC_KEY", rb"NRAK-", rb"[A-Z0-9]{27}"),
    _token("SECRET_GOOGLE_OAUTH_SECRET", rb"GOCSPX-", _URL + rb"{28}"),
    _token(
        "SECRET_AGE_KEY",
        rb"AGE-SECRET-KEY-1",
        rb"[AC-HJ-NP-Z02-9]{58}",
        judge=checks.age,
    ),
    Kind(
        "SECRET_MAILCHIMP_KEY",
        rb"[0-9a-f]{32}-us[0-9]{1,2}\b",
        shape(rb"[0-9a-f]{32}-us[0-9]{1,2}"),
        "mailchimp.MailchimpDetector",
        checks.token,
    ),
    Kind(
        "SECRET_TELEGRAM_TOKEN",
        rb"[0-9]{8,10}:AA[A-Za-z0-9_\-]{33}",
        shape(rb"[0-9]{8,10}:AA[A-Za-z0-9_\-]{33}"),
        "telegram_token.TelegramBotTokenDetector",
        checks.token,
    ),
    Kind(
        "SECRET_DISCORD_TOKEN",
        rb"[MNO][A-Za-z0-9_\-]{23,25}\.[A-Za-z0-9_\-]{6}\.[A-Za-z0-9_\-]{27}",
        shape(rb"[MNO][A-Za-z0-9_\-]{23,25}\.[A-Za-z0-9_\-]{6}\.[A-Za-z0-9_\-]{27,38}"),
        "discord.DiscordBotTokenDetector",
        checks.discord,
    ),
    Kind(
        "SECRET_AZURE_CLIENT_SECRET",
        rb"[A-Za-z0-9_~.\-]{3}[78]Q~[A-Za-z0-9_~.\-]{31}",
        re.compile(
            rb"(?<![A-Za-z0-9_~.\-])[A-Za-z0-9_~.\-]{3}[78]Q~[A-Za-z0-9_~.\-]{31,34}"
            rb"(?![A-Za-z0-9_~.\-])"
        ),
        "",
        checks.token,
    ),
    Kind(
        "SECRET_AZURE_ACCESS_KEY",
        rb"SharedAccessKey=[A-Za-z0-9+/]{40}",
        re.compile(rb"SharedAccessKey=([A-Za-z0-9+/]{43}=)"),
        "",
        checks.token,
    ),
    Kind(  # a URL that is signed: whoever has it may read
        "SECRET_AZURE_SAS",
        rb"[?&]sig=[A-Za-z0-9%+/]{40}",
        re.compile(
            rb"[?&]sv=[0-9]{4}-[0-9]{2}-[0-9]{2}[^\s\"'<>]{0,300}?&sig=([A-Za-z0-9%+/]{43,90}={0,2})"
        ),
        "",
        checks.token,
        reach=360,
    ),
)
