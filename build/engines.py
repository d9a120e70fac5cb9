"""Buildah and Docker behind the same few verbs.

Either builds from a folder with one secret and keeps what it built in a store of its own. Passwords reach them over
stdin, into a login of their own that ends with the push.
"""

from __future__ import annotations

import ipaddress
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from build.steps import Tell, ask, quiet, run
from domain.errors import Failed, Refused, Unreachable
from environments.loader import state_folder

EngineName = Literal["buildah", "docker"]


@dataclass(frozen=True)
class Found:
    """An image in an engine's store."""

    id: str
    labels: Mapping[str, str]


@dataclass(frozen=True)
class Recipe:
    """One build: a staged folder, the Containerfile in it, what it is called and labelled."""

    context: Path
    containerfile: str
    reference: str
    arguments: Mapping[str, str]
    labels: Mapping[str, str]
    secret: Path


@dataclass(frozen=True)
class Credentials:
    """A login to a registry, never shown."""

    user: str
    password: str = field(repr=False)


class Engine(Protocol):
    """What is asked of whatever builds images here. `thing` names the image in logs and messages."""

    name: EngineName

    def find(self, reference: str) -> Found | None:
        """The image called `reference`, if the store has it."""

    def pull(self, reference: str, *, tell: Tell = quiet) -> None:
        """Fetch an image into the store.

        Raises:
            Unreachable: it cannot be had from here.
        """

    def build(self, recipe: Recipe, *, thing: str, tell: Tell = quiet) -> None:
        """Make the image.

        Raises:
            Failed: a step of the Containerfile failed; the message ends with its last lines.
        """

    def save(self, reference: str, archive: Path, name: str, *, thing: str, tell: Tell = quiet) -> None:
        """Write the image to `archive` under `name`, in the format of `docker save`."""

    def push(
        self, reference: str, destination: str, credentials: Credentials | None, *, thing: str, tell: Tell = quiet
    ) -> str:
        """Push to `HOST/REPOSITORY:TAG`; the digest it has there. Without credentials the engine's own logins count.

        Raises:
            Refused: the registry did not accept the login or the push.
            Unreachable: the registry did not answer.
        """


class Buildah:
    """Buildah; without a container runtime where it runs as root."""

    name: EngineName = "buildah"

    def __init__(self) -> None:
        # as root in a container or a small VM neither a runtime nor fuse is there to be used
        self._environment = {
            "BUILDAH_ISOLATION": os.environ.get("BUILDAH_ISOLATION", "chroot"),
            "STORAGE_DRIVER": os.environ.get("STORAGE_DRIVER", "overlay"),
        }

    def find(self, reference: str) -> Found | None:
        told = ask(("buildah", "inspect", "--type", "image", reference), self._environment)
        if told is None:
            return None
        document = json.loads(told)
        return Found(f"sha256:{document['FromImageID']}", document["OCIv1"].get("config", {}).get("Labels") or {})

    def pull(self, reference: str, *, tell: Tell = quiet) -> None:
        command = ("buildah", "pull", "--quiet", reference)
        run(
            command,
            thing=reference,
            log=_log("pull"),
            error=Unreachable,
            next_step=_NO_BASE,
            environment=self._environment,
            tell=tell,
        )

    def build(self, recipe: Recipe, *, thing: str, tell: Tell = quiet) -> None:
        command = ("buildah", "build", "--pull=never", "--layers", "--force-rm", *_build_arguments(recipe))
        run(command, thing=f"image {thing}", log=_log(thing), environment=self._environment, tell=tell)

    def save(self, reference: str, archive: Path, name: str, *, thing: str, tell: Tell = quiet) -> None:
        command = ("buildah", "push", "--quiet", reference, f"docker-archive:{archive}:{name}")
        run(command, thing=f"image {thing}", log=_log(thing), environment=self._environment, tell=tell)

    def push(
        self, reference: str, destination: str, credentials: Credentials | None, *, thing: str, tell: Tell = quiet
    ) -> str:
        host = destination.partition("/")[0]
        transport = ["--tls-verify=false"] if _is_loopback(host) else []
        with tempfile.TemporaryDirectory() as folder:
            if credentials:
                authentication = Path(folder) / "auth.json"
                transport += [f"--authfile={authentication}"]
                _login(("buildah", "login", *transport), host, credentials, self._environment)
            digest = Path(folder) / "digest"
            command = ("buildah", "push", *transport, f"--digestfile={digest}", reference, f"docker://{destination}")
            with _registry_errors(host):
                run(command, thing=destination, log=_log(thing), environment=self._environment, tell=tell)
            return digest.read_text().strip()


class Docker:
    """Docker with BuildKit, which alone knows secrets and mounts of a build."""

    name: EngineName = "docker"

    def find(self, reference: str) -> Found | None:
        told = ask(("docker", "image", "inspect", "--format", "{{json .}}", reference))
        if told is None:
            return None
        document = json.loads(told)
        return Found(document["Id"], document["Config"].get("Labels") or {})

    def pull(self, reference: str, *, tell: Tell = quiet) -> None:
        command = ("docker", "pull", "--quiet", reference)
        run(command, thing=reference, log=_log("pull"), error=Unreachable, next_step=_NO_BASE, tell=tell)

    def build(self, recipe: Recipe, *, thing: str, tell: Tell = quiet) -> None:
        command = ("docker", "build", "--progress=plain", *_build_arguments(recipe))
        run(command, thing=f"image {thing}", log=_log(thing), environment={"DOCKER_BUILDKIT": "1"}, tell=tell)

    def save(self, reference: str, archive: Path, name: str, *, thing: str, tell: Tell = quiet) -> None:
        ask(("docker", "tag", reference, name))
        command = ("docker", "save", "--output", str(archive), name)
        run(command, thing=f"image {thing}", log=_log(thing), tell=tell)

    def push(
        self, reference: str, destination: str, credentials: Credentials | None, *, thing: str, tell: Tell = quiet
    ) -> str:
        host, _, repository = destination.partition("/")
        with tempfile.TemporaryDirectory() as folder:
            docker: tuple[str, ...] = ("docker",)
            if credentials:
                # a configuration of its own has no login of the user's, nor the context that names the daemon
                daemon = ask(("docker", "context", "inspect", "--format", "{{.Endpoints.docker.Host}}"))
                docker = ("docker", "--config", folder, "--host", daemon or "unix:///var/run/docker.sock")
                _login((*docker, "login"), host, credentials, {})
            ask(("docker", "tag", reference, destination))
            with _registry_errors(host):
                run((*docker, "push", destination), thing=destination, log=_log(thing), tell=tell)
        told = ask(("docker", "image", "inspect", "--format", "{{json .RepoDigests}}", destination))
        prefix = f"{host}/{repository.rpartition(':')[0]}@"
        for digest in json.loads(told or "[]"):
            if digest.startswith(prefix):
                return str(digest.removeprefix(prefix))
        raise Failed(destination, "docker pushed it and knows no digest for it", f"read {_log(thing)}")


def find_engine(name: EngineName | None = None) -> Engine:
    """The engine called `name`; without a name Docker where its daemon answers, else Buildah.

    Raises:
        Refused: it is not here.
    """
    if name in (None, "docker") and shutil.which("docker") and ask(("docker", "version")) is not None:
        return Docker()
    if name in (None, "buildah") and shutil.which("buildah"):
        return Buildah()
    cause = {"docker": "no Docker daemon answers", "buildah": "it is not on the PATH"}
    raise Refused(
        name or "docker or buildah",
        cause[name] if name else "no Docker daemon answers and buildah is not on the PATH",
        "install buildah (Debian package buildah), or start Docker",
    )


_SAID_NO = (
    r"unauthorized|username|basic auth|access denied|is denied|forbidden|authentication required|not authorized"
    r"|\b40[13]\b"
)
_SAID_NOTHING = r"connection refused|no such host|timeout|unreachable|deadline"
_NO_BASE = (
    "where this registry cannot be had, make a base once with `build/build.py --component base` (Debian, root) "
    "and build with --base localhost/debian:bookworm"
)


def _build_arguments(recipe: Recipe) -> list[str]:
    arguments = [f"--build-arg={name}={value}" for name, value in recipe.arguments.items()]
    labels = [f"--label={name}={value}" for name, value in recipe.labels.items()]
    secret = f"--secret=id=host,src={recipe.secret}"
    containerfile = str(recipe.context / recipe.containerfile)
    return [*arguments, *labels, secret, "--tag", recipe.reference, "--file", containerfile, str(recipe.context)]


def _login(command: tuple[str, ...], host: str, credentials: Credentials, environment: Mapping[str, str]) -> None:
    done = subprocess.run(
        (*command, "--username", credentials.user, "--password-stdin", host),
        input=credentials.password,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        with _registry_errors(host):
            raise Failed(f"registry {host}", done.stderr.strip().replace(credentials.password, "***"), "see the cause")


@contextmanager
def _registry_errors(host: str) -> Iterator[None]:
    """A registry that said no, and one that said nothing, told apart by the engines' words."""
    try:
        yield
    except Failed as error:
        words = error.cause.lower()
        thing = f"registry {host}"
        if re.search(_SAID_NO, words):
            raise Refused(thing, error.cause, "check the login, and that it may push to this repository") from None
        if re.search(_SAID_NOTHING, words):
            raise Unreachable(thing, error.cause, "check the address and that the registry is up") from None
        raise


def _is_loopback(host: str) -> bool:
    """Loopback registries speak plain HTTP, as Docker takes for granted too."""
    name = host.rpartition(":")[0] or host
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False


def _log(thing: str) -> Path:
    return state_folder() / "logs" / f"build-{thing}.log"
