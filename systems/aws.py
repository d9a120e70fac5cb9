"""AWS's control plane through boto3: clients as the environment says, deadlines on every call, errors in our words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, NoCredentialsError, PartialCredentialsError
from botocore.exceptions import ConnectionError as AwsConnectionError
from pydantic import SecretStr

from domain.errors import Refused, Unreachable
from environments.settings import AwsSettings
from systems.network import kind_of

CONFIG = Config(connect_timeout=5, read_timeout=20, retries={"mode": "standard", "total_max_attempts": 3})
_NOT_NOW = (
    "LimitExceededException",
    "RequestLimitExceeded",
    "ServiceUnavailableException",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
)


def client_options(aws: AwsSettings) -> dict[str, Any]:
    """What every boto3 client of this account is made with."""
    return {
        "region_name": aws.region,
        "endpoint_url": aws.endpoint_url,
        "aws_access_key_id": _plain(aws.access_key_id),
        "aws_secret_access_key": _plain(aws.secret_access_key),
        "config": CONFIG,
    }


def command_options(aws: AwsSettings) -> str:
    """The same for the aws command, in the next step of a message."""
    return f"--region {aws.region}" + (f" --endpoint-url {aws.endpoint_url}" if aws.endpoint_url else "")


@contextmanager
def aws_errors(aws: AwsSettings, thing: str) -> Iterator[None]:
    """AWS's errors as ours, about `thing`.

    Raises:
        Unreachable: AWS did not answer, or asks to come back later.
        Refused: it does not take the request, or there are no credentials.
    """
    where = aws.endpoint_url or f"AWS in {aws.region}"
    try:
        yield
    except (AwsConnectionError, HTTPClientError) as error:
        raise Unreachable(
            thing,
            f"{where} does not answer ({type(error).__name__})",
            "check the network and try again",
            kind=kind_of(error, "aws-down"),
        ) from error
    except (NoCredentialsError, PartialCredentialsError) as error:
        raise Refused(thing, f"no credentials for {where}", "log in to AWS or set the AWS_* variables") from error
    except ClientError as error:
        code = error.response["Error"]["Code"]
        said = f"{where} says {code}: {error.response['Error'].get('Message') or 'no message'}".rstrip(".")
        if code in _NOT_NOW or error.response["ResponseMetadata"]["HTTPStatusCode"] >= 500:
            raise Unreachable(thing, said, "try again in a minute") from error
        raise Refused(thing, said, "check the names in the environment file and the role's permissions") from error
    except BotoCoreError as error:
        raise Refused(thing, f"the request to {where} could not be made: {error}", "check the [aws] section") from error


def _plain(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()
