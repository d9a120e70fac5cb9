"""Push an image to a registry, and know it from then on by its digest.

ECR's token comes from AWS by the usual credentials. Another registry's login is RISKHUB_REGISTRY_USER and
RISKHUB_REGISTRY_PASSWORD; without them the engine's own logins count.
"""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Mapping

import boto3
from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError, HTTPClientError

from build.engines import Credentials, Engine
from build.images import Image
from build.overlay import Pin
from build.steps import Tell, quiet
from domain.errors import Refused, Unreachable

_ECR = re.compile(r"\d{12}\.dkr\.ecr(?:-fips)?\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?")


def find_credentials(registry: str, variables: Mapping[str, str] = os.environ) -> Credentials | None:
    """The login for `registry` (`HOST[/PREFIX]`); None when the engine's own is meant.

    Raises:
        Refused: AWS gives no token, or a user is set without a password.
        Unreachable: AWS does not answer.
    """
    host = registry.partition("/")[0]
    if ecr := _ECR.fullmatch(host):
        return _ecr_credentials(host, region=ecr.group(1))
    user, password = variables.get("RISKHUB_REGISTRY_USER"), variables.get("RISKHUB_REGISTRY_PASSWORD")
    if not user and not password:
        return None
    if not user or not password:
        missing = "RISKHUB_REGISTRY_PASSWORD" if user else "RISKHUB_REGISTRY_USER"
        raise Refused(f"registry {host}", f"{missing} is not set", "set both for a login, or neither")
    return Credentials(user, password)


def push_image(
    image: Image, engine: Engine, registry: str, credentials: Credentials | None, *, tell: Tell = quiet
) -> Pin:
    """Push `image` to `<registry>/riskhub/<component>`; what a manifest pins it by.

    Raises:
        Refused: the image was built from changes that are in no commit, or the registry says no.
        Unreachable: the registry does not answer.
    """
    require_committed(image.reference, dirty=image.dirty)
    name = f"riskhub/{image.component}"
    repository = f"{registry}/{name}"
    digest = engine.push(image.reference, f"{repository}:{image.tag}", credentials, thing=image.component, tell=tell)
    return Pin(name=name, newName=repository, digest=digest)


def require_committed(image: str, *, dirty: bool) -> None:
    """Refuse to push what no commit describes.

    Raises:
        Refused: the image's inputs differ from the commit.
    """
    if dirty:
        raise Refused(
            f"image {image}",
            "it is made from changes that are in no commit",
            "commit them and push again: who runs it must be able to find its source",
        )


def _ecr_credentials(host: str, region: str) -> Credentials:
    try:
        answer = boto3.client("ecr", region_name=region).get_authorization_token()
    except (HTTPClientError, EndpointConnectionError) as error:
        raise Unreachable(f"registry {host}", f"AWS gives no token: {error}", "check AWS_* and the network") from None
    except (ClientError, BotoCoreError) as error:
        raise Refused(
            f"registry {host}", f"AWS gives no token: {error}", "use credentials that may ecr:GetAuthorizationToken"
        ) from None
    token = answer["authorizationData"][0]["authorizationToken"]
    user, _, password = base64.b64decode(token).decode().partition(":")
    return Credentials(user, password)
