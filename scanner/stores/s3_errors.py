"""Error codes of S3, and the errors of boto3 and obstore, as reasons.

No text of a server or of a library goes on: it can hold keys, ARNs and signatures. What goes on is
the error code (letters, digits and dots) and a sentence of ours.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from scanner.errors import Reason, Unreadable

if TYPE_CHECKING:
    from botocore.exceptions import BotoCoreError, ClientError

# https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
_CODES: dict[str, tuple[Reason, str]] = {
    "NoSuchBucket": (Reason.NOT_FOUND, "the bucket does not exist"),
    "NoSuchKey": (Reason.VANISHED, "the object was listed and is gone now"),
    "NoSuchVersion": (Reason.VANISHED, "the object was listed and is gone now"),
    "AccessDenied": (Reason.ACCESS_DENIED, "S3 denies the request"),
    "AllAccessDisabled": (Reason.ACCESS_DENIED, "all access is disabled by AWS"),
    "AccountProblem": (Reason.ACCESS_DENIED, "AWS reports a problem with the account"),
    "InvalidObjectState": (Reason.ARCHIVED, "the object is archived and needs a restore first"),
    "PreconditionFailed": (Reason.CHANGED, "the object was replaced since it was listed"),
    "InvalidRange": (Reason.CHANGED, "the object is shorter than it was when listed"),
    "InvalidAccessKeyId": (Reason.CREDENTIALS, "S3 does not know the access key"),
    "SignatureDoesNotMatch": (Reason.CREDENTIALS, "the secret key does not fit the access key"),
    "InvalidToken": (Reason.CREDENTIALS, "the session token is not valid"),
    "InvalidClientTokenId": (Reason.CREDENTIALS, "AWS does not know the access key"),
    "UnrecognizedClientException": (Reason.CREDENTIALS, "AWS does not know the access key"),
    "RequestTimeTooSkewed": (Reason.CREDENTIALS, "the clock of this machine is wrong"),
    "ExpiredToken": (Reason.EXPIRED, "the session token has expired"),
    "ExpiredTokenException": (Reason.EXPIRED, "the session token has expired"),
    "TokenRefreshRequired": (Reason.EXPIRED, "the session token has to be refreshed"),
    "SlowDown": (Reason.THROTTLED, "S3 asks to slow down, also after retries"),
    "Throttling": (Reason.THROTTLED, "AWS asks to slow down, also after retries"),
    "ThrottlingException": (Reason.THROTTLED, "AWS asks to slow down, also after retries"),
    "TooManyRequestsException": (Reason.THROTTLED, "AWS asks to slow down, also after retries"),
    "RequestLimitExceeded": (Reason.THROTTLED, "AWS asks to slow down, also after retries"),
    "ServiceUnavailable": (Reason.UNREACHABLE, "the service is unavailable, also after retries"),
    "InternalError": (Reason.IO_ERROR, "the server has an internal error, also after retries"),
    "RequestTimeout": (Reason.UNREACHABLE, "the request timed out"),
    "KMS.DisabledException": (Reason.ENCRYPTED, "the KMS key of the object is disabled"),
    "KMS.NotFoundException": (Reason.ENCRYPTED, "the KMS key of the object does not exist"),
    "KMS.KMSInvalidStateException": (Reason.ENCRYPTED, "the KMS key is not usable in its state"),
    "PermanentRedirect": (Reason.UNREACHABLE, "the bucket is in another region"),
    "AuthorizationHeaderMalformed": (Reason.UNREACHABLE, "the bucket is in another region"),
    "IllegalLocationConstraintException": (Reason.UNREACHABLE, "the bucket is in another region"),
}

# by HTTP status, where the body names no code (HEAD, other servers, proxies)
_STATUSES: dict[int, tuple[Reason, str]] = {
    400: (Reason.IO_ERROR, "the server refuses the request"),
    401: (Reason.CREDENTIALS, "the server does not accept the credentials"),
    403: (Reason.ACCESS_DENIED, "S3 denies the request"),
    404: (Reason.VANISHED, "the object was listed and is gone now"),
    412: (Reason.CHANGED, "the object was replaced since it was listed"),
    416: (Reason.CHANGED, "the object is shorter than it was when listed"),
    429: (Reason.THROTTLED, "the server asks to slow down, also after retries"),
    500: (Reason.IO_ERROR, "the server has an internal error, also after retries"),
    502: (Reason.UNREACHABLE, "a gateway before the server has no answer, also after retries"),
    503: (Reason.UNREACHABLE, "the service is unavailable, also after retries"),
    504: (Reason.UNREACHABLE, "a gateway before the server has no answer, also after retries"),
}

_SAFE_CODE = re.compile(r"[A-Za-z][A-Za-z0-9.]{0,63}")


def safe_code(code: str) -> str:
    """An error code fit for a sentence; a server could send anything in its place."""
    return code if _SAFE_CODE.fullmatch(code) else ""


def unreadable(code: str, status: int, message: str = "") -> Unreadable:
    """The ``Unreadable`` for an error code and HTTP status. ``message`` is looked at, not kept."""
    code = safe_code(code)
    suffix = f" ({code})" if code else f" (HTTP {status})" if status else ""
    if code == "AccessDenied" and "kms:Decrypt" in message:
        detail = "these credentials may not decrypt with the KMS key of the object (kms:Decrypt)"
        return Unreadable(Reason.ACCESS_DENIED, detail)
    if code == "InvalidRequest" and "Server Side Encryption" in message:
        detail = "encrypted with a key that the customer holds (SSE-C)"
        return Unreadable(Reason.ENCRYPTED, detail)
    if code.startswith("KMS.") and code not in _CODES:
        return Unreadable(Reason.ACCESS_DENIED, f"KMS refuses to decrypt the object{suffix}")
    unknown = (Reason.IO_ERROR, "S3 answered with an error")
    reason, detail = _CODES.get(code) or _STATUSES.get(status) or unknown
    return Unreadable(reason, detail + suffix)


def from_client_error(error: ClientError) -> Unreadable:
    """A botocore ``ClientError``: the server answered with an error."""
    answer = error.response.get("Error", {})
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return unreadable(str(answer.get("Code", "")), status, str(answer.get("Message", "")))


def from_boto(error: BotoCoreError | ClientError) -> Unreadable:
    """Any error of botocore."""
    from botocore import exceptions as boto

    if isinstance(error, boto.ClientError):
        return from_client_error(error)
    name = type(error).__name__
    if isinstance(error, boto.NoCredentialsError):
        detail = (
            "no AWS credentials were found: expected them in the environment, the shared "
            "configuration files, or from the machine's role"
        )
        return Unreadable(Reason.CREDENTIALS, detail)
    if isinstance(error, boto.PartialCredentialsError | boto.CredentialRetrievalError):
        return Unreadable(Reason.CREDENTIALS, f"the AWS credentials are not usable ({name})")
    if isinstance(error, boto.SSOError | boto.UnauthorizedSSOTokenError):
        return Unreadable(Reason.EXPIRED, f"the AWS sign-in has expired ({name})")
    if isinstance(error, boto.ProfileNotFound):
        return Unreadable(Reason.CREDENTIALS, "the AWS profile does not exist")
    if isinstance(error, boto.SSLError):
        return Unreadable(Reason.UNREACHABLE, "the TLS certificate of the endpoint is not trusted")
    if isinstance(error, boto.HTTPClientError | boto.ConnectionError):
        return Unreadable(Reason.UNREACHABLE, f"the endpoint cannot be reached ({name})")
    return Unreadable(Reason.IO_ERROR, f"the request could not be made ({name})")


_STATUS = re.compile(r"status code: (\d{3})")
_CODE = re.compile(r"<Code>([^<]{1,64})</Code>")
_MESSAGE = re.compile(r"<Message>([^<]{0,2000})</Message>")


def from_obstore(error: Exception) -> Unreadable:
    """An error of obstore, which tells status and body in its text only.

    The text begins with the key, which could imitate an answer: read from the last status on.
    """
    from obstore import exceptions as obs

    text = str(error).partition("\n\nDebug source")[0]
    answer = text[text.rfind("status code: ") :] if "status code: " in text else ""
    if answer:
        status = _STATUS.match(answer)
        code, message = _CODE.search(answer), _MESSAGE.search(answer)
        return unreadable(
            code[1] if code else "",
            int(status[1]) if status else 0,
            message[1] if message else "",
        )
    if isinstance(error, obs.PreconditionError):
        return unreadable("PreconditionFailed", 412)
    if isinstance(error, FileNotFoundError):
        return unreadable("", 404)
    if isinstance(error, obs.UnauthenticatedError):
        # raised by our provider of credentials, in obstore's clothes
        return Unreadable(Reason.CREDENTIALS, "the AWS credentials could not be renewed")
    if isinstance(error, obs.PermissionDeniedError):
        return unreadable("", 403)
    if "redirect" in text.lower():
        return unreadable("PermanentRedirect", 301)
    if "range" in text.lower() and "http error" not in text.lower():
        return unreadable("InvalidRange", 416)
    return Unreadable(Reason.UNREACHABLE, "the endpoint broke off or does not answer")
