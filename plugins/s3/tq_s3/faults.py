"""From what boto3 raises to sentences: what failed, where, why, and the next step."""

from __future__ import annotations

from typing import Any, NamedTuple

from tq.errors import BackendError, BackendUnavailable

MISSING = ("NoSuchKey", "404", "NotFound")
CHANGED = ("PreconditionFailed", "ConditionalRequestConflict", "412", "409")
"""What S3 answers to a conditional write whose condition does not hold, or that met another one."""
_KEYS = (
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "InvalidToken",
    "ExpiredToken",
    "InvalidSecurity",
    "InvalidClientTokenId",
    "RequestTimeTooSkewed",
    "AuthorizationHeaderMalformed",
)
_DENIED = ("AccessDenied", "AllAccessDisabled", "AccountProblem", "403", "Forbidden")
_NO_BUCKET = ("NoSuchBucket",)
_ELSEWHERE = ("PermanentRedirect", "301", "IllegalLocationConstraintException")
_BUSY = ("SlowDown", "Throttling", "RequestTimeout", "RequestLimitExceeded", "OperationAborted")
_NO_KEYS = (
    "NoCredentialsError",
    "PartialCredentialsError",
    "CredentialRetrievalError",
    "TokenRetrievalError",
)
_SETTINGS = (
    "ProfileNotFound",
    "NoRegionError",
    "InvalidRegionError",
    "ParamValidationError",
    "InvalidBucketName",
)


class Fault(NamedTuple):
    """What boto3 raised: S3's code, or the class of boto3's own exception."""

    code: str
    text: str
    status: int = 0

    @property
    def temporary(self) -> bool:
        """Whether the same may succeed later."""
        known = self.code in _NO_KEYS + _SETTINGS
        return not known and (self.status >= 500 or self.code in _BUSY or not self.status)


def fault_of(exc: Exception) -> Fault:
    """Read an exception of boto3."""
    answer: Any = getattr(exc, "response", None)
    if not isinstance(answer, dict):
        return Fault(type(exc).__name__, str(exc))
    error = answer.get("Error", {})
    status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 400)
    return Fault(str(error.get("Code", "?")), str(error.get("Message", "")), int(status))


def error_of(fault: Fault, doing: str, url: str) -> BackendError:
    """The error to raise. `url` is masked."""
    kind = BackendUnavailable if fault.temporary else BackendError
    return kind(f"cannot {doing}: {_sentence(fault, url)} ({fault.code}: {fault.text})", url=url)


def _sentence(fault: Fault, url: str) -> str:
    if fault.code in _KEYS:
        return f"{url} does not accept the access key; check key, secret, region and the machine's clock"
    if fault.code in _DENIED:
        return f"{url} forbids this to the access key; grant what tq-s3's README lists"
    if fault.code in _NO_BUCKET:
        return f"{url} has no such bucket; make it, for tq makes none"
    if fault.code in _ELSEWHERE:
        return f"{url} is in another region; set the option 'region'"
    if fault.code in _NO_KEYS:
        return (
            f"no access key was found for {url}; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the options "
            "'access_key_id' and 'secret_access_key'"
        )
    if fault.code in _SETTINGS:
        return f"boto3 refused what it was told for {url}; check the options and the AWS configuration files"
    if fault.status and not fault.temporary:
        return f"{url} refused; read what it says"
    if fault.status:
        return f"{url} is too busy or in trouble; try again later"
    return f"no connection to {url}; check that it can be reached from here"
