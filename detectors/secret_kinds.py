"""What secrets look like, and the plug-in of detect-secrets that confirms each;
``secret_services`` has those that are a prefix and a length.

Kinds without a plug-in are those detect-secrets misses; a fixed prefix and length, or a checksum,
stands in for it.
"""

from __future__ import annotations

import re

from detectors import secret_checks as checks
from detectors.secret_kind import Kind, shape
from detectors.secret_services import SERVICES

KINDS: tuple[Kind, ...] = (
    *SERVICES,
    Kind(
        "SECRET_AWS_KEY",
        rb"(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}",
        shape(rb"(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}"),
        "aws.AWSKeyDetector",
        lambda text: 0.96,
    ),
    Kind(
        "SECRET_AWS_SECRET_KEY",
        rb"(?:aws.{0,24}(?:secret|key|token|pass|pw)|secret_?access_?key|secretkey)",
        re.compile(
            rb"[^\n]{0,40}?(?<![A-Za-z0-9/+])([A-Za-z0-9/+]{40})(?![A-Za-z0-9/+=])",
        ),
        "",
        checks.aws_secret,
        caseless=True,
        reach=0,
    ),
    Kind(
        "SECRET_PRIVATE_KEY",
        rb"-----BEGIN [A-Z0-9 ]{0,20}PRIVATE KEY|BEGIN SSH2 ENCRYPTED|PuTTY-User-Key-File-",
        re.compile(
            rb"(?:-----BEGIN (?:[A-Z0-9]+ ){0,2}PRIVATE KEY(?: BLOCK)?-----"
            rb"|---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----|PuTTY-User-Key-File-[23]: [a-z0-9\-]+)"
            rb"(?:\\[nr]|[\s\"',+>|#]|(?:[A-Z][A-Za-z]+-[A-Z][A-Za-z]+|Comment|Encryption|Version)"
            rb": ?[^\n\\]{1,80}){0,12}"
            rb"(?:[A-Za-z0-9+/=]{16,80}(?:\\[nr]|[\s\"',+>|#]){0,8}){0,5}"
        ),
        "private_key.PrivateKeyDetector",
        checks.private_key,
        reach=44,
    ),
    Kind(
        "SECRET_BASIC_AUTH",
        rb"[a-z0-9]://[^\s/@\"'<>]{0,80}:[^\s/@\"'<>]{1,128}@",
        re.compile(
            rb"(?<![A-Za-z0-9])[A-Za-z][A-Za-z0-9+.\-]{1,20}://[^\s:/@\"'<>?#]{0,80}"
            rb":([^\s/@\"'<>]{1,128})@[A-Za-z0-9_\[%$]"
        ),
        "",
        checks.password_of_url,
        reach=256,
    ),
    Kind(
        "SECRET_BASIC_AUTH",
        rb"authorization[\"']?\s*[:=]\s*[\"']?basic ",
        re.compile(rb"([A-Za-z0-9+/]{8,256}={0,2})(?![A-Za-z0-9+/=])"),
        "",
        checks.basic,
        caseless=True,
        reach=0,
    ),
    Kind(
        "SECRET_JWT",
        rb"eyJ[A-Za-z0-9_\-=]{8,}\.eyJ",
        re.compile(
            rb"(?<![A-Za-z0-9_\-])eyJ[A-Za-z0-9_\-=]{8,400}\.eyJ[A-Za-z0-9_\-=]{4,600}"
            rb"(?:\.[A-Za-z0-9_\-=]{0,600})?"
        ),
        "",
        checks.jwt,
        reach=420,
    ),
    Kind(
        "SECRET_GITHUB_TOKEN",
        rb"gh[pousr]_[A-Za-z0-9]{36}",
        shape(rb"gh[pousr]_[A-Za-z0-9]{36}"),
        "github_token.GitHubTokenDetector",
        checks.github,
    ),
    Kind(
        "SECRET_GITHUB_TOKEN",
        rb"github_pat_[A-Za-z0-9]{22}_",
        shape(rb"github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}"),
        "",
        lambda text: 0.96,
    ),
    Kind(
        "SECRET_GITLAB_TOKEN",
        rb"gl(?:pat|dt|ft|soat|rt|cbt|imt|ptt|agent|oas)-|GR1348941",
        shape(
            rb"(?:gl(?:pat|dt|ft|soat|rt|cbt|imt|ptt|agent|oas)-|GR1348941)[A-Za-z0-9_\-]{20,64}"
        ),
        "gitlab_token.GitLabTokenDetector",
        checks.token,
        reach=16,
    ),
    Kind(
        "SECRET_SLACK_TOKEN",
        rb"xox[abposre]-[0-9A-Za-z]|xapp-[0-9]",
        shape(
            rb"xox[abposre]-(?:[0-9]+-)+[A-Za-z0-9]{10,64}|xapp-[0-9]-[A-Z0-9]+-[0-9]+-[a-f0-9]{64}"
        ),
        "",
        checks.token,
        reach=8,
    ),
    Kind(
        "SECRET_SLACK_WEBHOOK",
        rb"hooks\.slack\.com/(?:services|workflows)/",
        re.compile(
            rb"https?://hooks\.slack\.com/(?:services|workflows)/[TA][A-Za-z0-9_]+/[BA]?[A-Za-z0-9_]+"
            rb"/[A-Za-z0-9_]{16,64}"
        ),
        "",
        checks.token,
    ),
    Kind(
        "SECRET_STRIPE_KEY",
        rb"[rs]k_(?:live|test)_[0-9A-Za-z]{16}|whsec_[A-Za-z0-9]{24}",
        shape(rb"[rs]k_(?:live|test)_[0-9A-Za-z]{16,128}|whsec_[A-Za-z0-9+/=]{24,64}"),
        "",
        checks.token,
    ),
    Kind(
        "SECRET_SENDGRID_KEY",
        rb"SG\.[A-Za-z0-9_\-]{22}\.[A-Za-z0-9_\-]{43}",
        shape(rb"SG\.[A-Za-z0-9_\-]{22}\.[A-Za-z0-9_\-]{43}"),
        "sendgrid.SendGridDetector",
        checks.token,
    ),
    Kind(
        "SECRET_NPM_TOKEN",
        rb"npm_[A-Za-z0-9]{36}",
        shape(rb"npm_[A-Za-z0-9]{36}"),
        "",
        checks.github,
    ),
    Kind(
        "SECRET_NPM_TOKEN",
        rb":_(?:authToken|password|auth)[ \t]*=",
        re.compile(rb"[ \t]{0,4}[\"']?([A-Za-z0-9_\-/+=]{16,128})"),
        "",
        checks.token,
        reach=0,
    ),
    Kind(
        "SECRET_AZURE_STORAGE_KEY",
        rb"AccountKey=[A-Za-z0-9+/=]{40}",
        re.compile(rb"AccountKey=([A-Za-z0-9+/]{86}==)"),
        "azure_storage_key.AzureStorageKeyDetector",
        checks.token,
    ),
    Kind(
        "SECRET_OPENAI_KEY",
        rb"sk-[A-Za-z0-9_\-]{20,200}T3BlbkFJ",
        shape(rb"sk-[A-Za-z0-9_\-]{20,200}T3BlbkFJ[A-Za-z0-9_\-]{20,200}"),
        "openai.OpenAIDetector",
        checks.token,
        reach=220,
    ),
    Kind(
        "SECRET_ANTHROPIC_KEY",
        rb"sk-ant-[a-z0-9]{3,8}-",
        shape(rb"sk-ant-[a-z0-9]{3,8}-[A-Za-z0-9_\-]{32,128}"),
        "",
        checks.token,
    ),
    Kind(
        "SECRET_GOOGLE_API_KEY",
        rb"AIza[0-9A-Za-z_\-]{35}",
        re.compile(rb"(?<![A-Za-z0-9_\-])AIza[0-9A-Za-z_\-]{35}(?![A-Za-z0-9_\-])"),
        "",
        checks.token,
    ),
    Kind(
        "SECRET_PYPI_TOKEN",
        rb"pypi-AgE[A-Za-z0-9_\-]{50}",
        shape(rb"pypi-AgE[A-Za-z0-9_\-]{50,250}"),
        "",
        checks.token,
    ),
)

KEYWORDS = (
    rb"passw(?:or)?d|passphrase|\bpwd|_pwd|secret|api.?key|auth.?key|access.?key|private.?key"
    rb"|client.?key|db.?pass|token|credential|contrase"
)
BEFORE_KEYWORD = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-"
"""characters of the name that a keyword is part of"""
KEYWORD = re.compile(
    rb"([A-Za-z0-9_.\-]{0,24})[\"'\]]{0,2}\s{0,3}(=>|:=|=(?!=)|:)\s{0,3}"
    rb"(?:([\"'`])([^\"'`\n\\]{6,160})\3|([^\s\"'`,;&<>{}()\[\]\\]{6,160}))"
)
"""what stands behind a keyword: the rest of the name, a sign, the value with or without quotes"""
