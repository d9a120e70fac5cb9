"""Secrets in AWS Secrets Manager. A value is here for as long as a caller holds it, and never in a message."""

from __future__ import annotations

from typing import TYPE_CHECKING

import boto3
from pydantic import SecretStr

from environments.settings import AwsSettings
from systems.aws import aws_errors, client_options

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient


def read_secret(aws: AwsSettings, name: str) -> SecretStr:
    """The current value of a secret.

    Raises:
        Refused: there is none of this name, or the role may not read it.
        Unreachable: AWS did not answer.
    """
    with aws_errors(aws, f"secret {name}"):
        return SecretStr(_client(aws).get_secret_value(SecretId=name)["SecretString"])


def has_secret(aws: AwsSettings, name: str) -> bool:
    """Is there a secret of this name? Errors as `read_secret`."""
    client = _client(aws)
    with aws_errors(aws, f"secret {name}"):
        try:
            client.describe_secret(SecretId=name)
        except client.exceptions.ResourceNotFoundException:
            return False
    return True


def create_secret(aws: AwsSettings, name: str, value: SecretStr) -> None:
    """Keep a new secret.

    Raises:
        Refused: there is one of this name already, which is not replaced; or the role may not.
        Unreachable: AWS did not answer.
    """
    with aws_errors(aws, f"secret {name}"):
        _client(aws).create_secret(Name=name, SecretString=value.get_secret_value())


def _client(aws: AwsSettings) -> SecretsManagerClient:
    return boto3.session.Session().client("secretsmanager", **client_options(aws))
