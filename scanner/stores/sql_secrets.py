"""A password that lies in AWS Secrets Manager or in the Parameter Store of SSM, named by
``password_secret``: fetched for each connection, kept nowhere.

    secretsmanager:NAME            or the ARN of a secret; of a secret in JSON its "password"
    secretsmanager:NAME#field      another field of it
    ssm:NAME                       or the ARN of a parameter, decrypted

Who asks is whom boto3 finds (environment, profile, role of the machine). The role needs
``secretsmanager:GetSecretValue`` or ``ssm:GetParameter``, and ``kms:Decrypt`` where the key is its
owner's. No text of AWS goes on: it can quote names and accounts; its error code does.
"""

from __future__ import annotations

import json
import re

from detectors.records import dataclass
from scanner.errors import Reason, Unreadable, UsageError

OPTION = "password_secret"
_FORM = "secretsmanager:NAME, ssm:NAME or the ARN of either, with #field for a field of JSON"
_ARN = re.compile(
    r"arn:aws[a-z-]*:(?:(?P<secrets>secretsmanager)|ssm):(?P<region>[a-z0-9-]+):\d{12}:"
    r"(?(secrets)secret:|parameter/)[^#\s]+"
)
_SHORT = re.compile(r"(?P<service>secretsmanager|ssm):(?P<name>[^#\s]+)")
_MISSING = frozenset({"ResourceNotFoundException", "ParameterNotFound"})


@dataclass(frozen=True, slots=True)
class Reference:
    service: str
    """``secretsmanager`` or ``ssm``"""
    name: str
    region: str | None
    """None: as boto3 is configured"""
    field: str


def parse(text: str, where: str) -> Reference:
    """Raises ``UsageError``, which begins with ``where`` and does not repeat what may be the secret
    itself."""
    place, _, field = text.partition("#")
    if arn := _ARN.fullmatch(place):
        service = "secretsmanager" if arn["secrets"] else "ssm"
        return Reference(service, place, arn["region"], field)
    if short := _SHORT.fullmatch(place):
        return Reference(short["service"], short["name"], None, field)
    raise UsageError(f"{where}: {OPTION}: expected {_FORM}")


def fetch(reference: Reference) -> str:
    """The password. Raises ``Unreadable``."""
    import boto3.session
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        session = boto3.session.Session(region_name=reference.region)
        if reference.service == "ssm":
            found = session.client("ssm").get_parameter(Name=reference.name, WithDecryption=True)
            text = found["Parameter"]["Value"]
        else:
            secret = session.client("secretsmanager").get_secret_value(SecretId=reference.name)
            if "SecretString" not in secret:
                raise _refused(reference, "the secret is of bytes, expected text")
            text = secret["SecretString"]
    except ClientError as error:
        code = re.sub(r"[^\w.]", "", str(error.response.get("Error", {}).get("Code", "")))[:60]
        raise _refused(reference, "there is none" if code in _MISSING else code) from None
    except BotoCoreError as error:
        raise _refused(reference, type(error).__name__) from None
    return _field_of(text, reference)


def _field_of(text: str, reference: Reference) -> str:
    """Of JSON, as Amazon RDS writes it, the password; of any other text all of it."""
    try:
        document = json.loads(text)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        if reference.field:
            raise _refused(reference, f"expected JSON with the field {reference.field}")
        return text
    value = document.get(reference.field or "password")
    if not isinstance(value, str):
        wanted = reference.field or "password"
        raise _refused(reference, f"expected a text in the field {wanted} of the JSON in it")
    return value


def _refused(reference: Reference, why: str) -> Unreadable:
    called = f"{reference.service} {reference.name.rpartition(':')[2]}"
    return Unreadable(Reason.CREDENTIALS, f"{OPTION}: {called}: {why}")


def iam_token(host: str, port: int, user: str, region: str, *, private: bool) -> str:
    """A token in the place of a password, good for fifteen minutes of logins to Amazon RDS. Made
    here, by signing; AWS is not asked. ``private``: what is sent is encrypted. Raises
    ``Unreadable``."""
    import boto3.session
    from botocore.exceptions import BotoCoreError, ClientError

    if not user or not host:
        raise Unreadable(Reason.CREDENTIALS, "iam_region: expected a host and a user beside it")
    if not private:
        detail = "iam_region: a token goes over TLS only; expected a mode that requires it"
        raise Unreadable(Reason.CREDENTIALS, detail)
    try:
        client = boto3.session.Session(region_name=region).client("rds")
        token: str = client.generate_db_auth_token(host, port, user, region)
    except (BotoCoreError, ClientError, ValueError) as error:
        detail = f"no IAM token for the database: {type(error).__name__}"
        raise Unreadable(Reason.CREDENTIALS, detail) from None
    return token
