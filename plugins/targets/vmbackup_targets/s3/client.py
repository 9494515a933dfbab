"""botocore, set up by our settings alone, and what it raises in our own words.

botocore is not typed: what leaves this package's `client` and `bucket` is.
"""

import os
from collections.abc import Callable
from typing import Any

from botocore import exceptions

from vmbackup import ConfigError
from vmbackup_targets.s3.settings import S3Settings
from vmbackup_targets.s3.trouble import Lost, Refused, Unusable

# Of each request, the first included: what is lost or refused for the moment is asked for again, at most this often.
_ATTEMPTS = 4
_CONNECTIONS = 32
_LOST = (exceptions.ConnectionError, exceptions.HTTPClientError, exceptions.IncompleteReadError)


def connect(settings: S3Settings) -> Any:
    """A client, which may be used by several threads. Raises Unusable and ConfigError; nothing is sent yet."""
    # Half of what the command line takes to start, so only where a bucket is used.
    from botocore.config import Config  # noqa: PLC0415
    from botocore.session import Session  # noqa: PLC0415

    if settings.ca is not None and not settings.ca.is_file():
        raise ConfigError(f"{settings.ca}: there are no certificates to trust")
    # Nobody's ~/.aws or profile, which are about other things, changes where backups go.
    apart = {
        "profile": (None, None, None, None),
        "config_file": (None, None, os.devnull, None),
        "credentials_file": (None, None, os.devnull, None),
    }
    return ask(
        Session(session_vars=apart).create_client,
        "s3",
        endpoint_url=settings.endpoint,
        region_name=settings.region,
        aws_access_key_id=settings.access_key.reveal(),
        aws_secret_access_key=settings.secret_key.reveal(),
        verify=str(settings.ca) if settings.ca else True,
        config=Config(
            s3={"addressing_style": settings.addressing},
            connect_timeout=min(settings.timeout, 20),
            read_timeout=settings.timeout,
            retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
            max_pool_connections=_CONNECTIONS,
            tcp_keepalive=True,
            # We send SHA-256 where it counts; what the library would add, older servers refuse.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            user_agent_appid="vmbackup",
        ),
    )


def ask(call: Callable[..., Any], /, *arguments: Any, **words: Any) -> Any:
    """What `call`, of botocore, returns. Raises Refused, Lost and Unusable, in which there is no secret."""
    try:
        return call(*arguments, **words)
    except (exceptions.ClientError, exceptions.BotoCoreError) as error:
        raise _in_our_words(error) from error


def _in_our_words(error: exceptions.ClientError | exceptions.BotoCoreError) -> Exception:
    if isinstance(error, exceptions.ClientError):
        told = error.response.get("Error", {})
        status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        return Refused(str(told.get("Code") or status), status, str(told.get("Message") or ""))
    if isinstance(error, exceptions.SSLError):
        return Unusable(
            f"the server's certificate is not to be trusted, or it does not speak TLS: {error.kwargs['error']}",
            "Set `ca` to the certificates that sign the server's, and `endpoint` to a name that is in it.",
        )
    return Lost(str(error).rstrip(".")) if isinstance(error, _LOST) else Unusable(str(error))
