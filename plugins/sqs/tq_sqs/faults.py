"""From what boto3 raises to sentences: what failed, where, why, and the next step."""

from __future__ import annotations

from typing import Any, NamedTuple

from tq.errors import BrokerError, BrokerUnavailable

_KEYS = (
    "InvalidClientTokenId",
    "UnrecognizedClientException",
    "SignatureDoesNotMatch",
    "InvalidSignatureException",
    "InvalidAccessKeyId",
    "InvalidSecurity",
    "InvalidToken",
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignature",
    "MissingAuthenticationToken",
    "AuthFailure",
    "OptInRequired",
)
_DENIED = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "KmsAccessDenied")
_BUSY = (
    "RequestThrottled",
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "TooManyRequestsException",
    "SlowDown",
    "KmsThrottled",
    "OverLimit",
    "ServiceUnavailable",
    "InternalError",
    "InternalFailure",
    "InternalServerError",
    "RequestTimeout",
    "QueueDeletedRecently",
)
_UNSENT = ("EndpointConnectionError", "ConnectTimeoutError", "ProxyConnectionError")
_NO_KEYS = (
    "NoCredentialsError",
    "PartialCredentialsError",
    "CredentialRetrievalError",
    "TokenRetrievalError",
)
_SETTINGS = ("ProfileNotFound", "NoRegionError", "InvalidRegionError", "ParamValidationError")
MISSING = ("NonExistentQueue", "QueueDoesNotExist")
TOO_LONG = ("BatchRequestTooLong",)
STALE = ("ReceiptHandleIsInvalid", "MessageNotInflight", "InvalidParameterValue")
"""What SQS answers about a message that this consumer holds no more."""


class Fault(NamedTuple):
    """What boto3 raised: SQS's code, or the class of boto3's own exception."""

    code: str
    text: str
    status: int = 0

    @property
    def temporary(self) -> bool:
        """Whether the same may succeed later."""
        known = self.code in _NO_KEYS + _SETTINGS + MISSING
        return not known and (self.status >= 500 or self.code in _BUSY or not self.status)

    @property
    def in_doubt(self) -> bool:
        """Whether SQS may have done what it was asked for."""
        return self.status >= 500 or (not self.status and self.temporary and self.code not in _UNSENT)


def fault_of(exc: Exception) -> Fault:
    """Read an exception of boto3."""
    answer: Any = getattr(exc, "response", None)
    if not isinstance(answer, dict):
        return Fault(type(exc).__name__, str(exc))
    error = answer.get("Error", {})
    status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 400)
    code = str(error.get("Code", "?")).rpartition(".")[2]
    return Fault(code, str(error.get("Message", "")), int(status))


def error_of(fault: Fault, doing: str, url: str) -> BrokerError:
    """The error to raise. `url` is masked."""
    text = f"cannot {doing}: {_sentence(fault, url)} ({fault.code}: {fault.text})"
    if not fault.temporary:
        return BrokerError(text, url=url)
    error = BrokerUnavailable(text, url=url)
    error.in_doubt = fault.in_doubt
    return error


def _sentence(fault: Fault, url: str) -> str:
    if fault.code in _KEYS:
        return f"SQS at {url} does not accept the access key; check key, secret and the machine's clock"
    if fault.code in _DENIED:
        return f"SQS at {url} forbids this to the access key; grant what tq-sqs's README lists"
    if fault.code in MISSING:
        return f"SQS at {url} has no such queue; check its name, the region and the account"
    if fault.code in _NO_KEYS:
        return (
            f"no access key was found for {url}; write it into the URL as sqs://KEY:SECRET@, or set "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        )
    if fault.code in _SETTINGS:
        return f"boto3 refused what it was told for {url}; check the options and the AWS configuration files"
    if fault.code == "OverLimit":
        return f"SQS at {url} lends no more messages of this queue (its limit is 120,000); let workers finish some"
    if fault.status and not fault.temporary:
        return f"SQS at {url} refused; read what it says"
    if fault.status:
        return f"SQS at {url} is too busy or in trouble; try again later"
    return f"no connection to SQS at {url}; check that it can be reached from here"
