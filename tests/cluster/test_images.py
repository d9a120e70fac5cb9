"""Images for real: Buildah builds them, Debian's docker-registry takes them, the overlay has what the registry has."""

from __future__ import annotations

import os
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import yaml

from build.base import ensure_base
from build.components import COMPONENTS
from build.engines import Buildah, Credentials, Recipe
from build.images import Image, build_image, export_image
from build.overlay import images_file, pin
from build.registry import push_image
from devstack.node.machine import install_missing
from devstack.process import Part, free_ports, start, stop, wait_ready
from domain.errors import Refused, Unreachable
from tests.build.checkouts import TINY, commit_change, make_checkout

USER, PASSWORD = "ci", "registry-password"
# bcrypt of PASSWORD, the only kind that docker-registry reads
HTPASSWD = "ci:$2b$04$SlkfCqvps.40tKcGmuU8..z28dMFil1AC7OgewqayW6ZOu5fDJTIC\n"
CONFIG = """\
version: 0.1
storage: {{filesystem: {{rootdirectory: {folder}/blobs}}}}
http: {{addr: "127.0.0.1:{port}"}}
auth: {{htpasswd: {{realm: tests, path: {folder}/htpasswd}}}}
"""
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


@dataclass(frozen=True)
class Registry:
    """A registry on loopback that wants a login."""

    host: str

    def get(self, path: str, accept: str = "*/*") -> httpx.Response:
        answer = httpx.get(f"http://{self.host}/v2/{path}", auth=(USER, PASSWORD), headers={"Accept": accept})
        return answer.raise_for_status()


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    install_missing({"docker-registry": "docker-registry"})
    folder = tmp_path_factory.mktemp("registry")
    (port,) = free_ports(1)
    (folder / "htpasswd").write_text(HTPASSWD)
    (folder / "config.yml").write_text(CONFIG.format(folder=folder, port=port))

    def asks_for_a_login() -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{port}/v2/").status_code == 401
        except httpx.TransportError:
            return False

    part = Part("registry", ("docker-registry", "serve", str(folder / "config.yml")), ready=asks_for_a_login)
    process = start(part, folder)
    wait_ready(part, process, folder)
    yield Registry(f"127.0.0.1:{port}")
    stop(part, process)


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Buildah]:
    """Buildah with a store of the test's own, and a base in it with nothing but a file."""
    storage = tmp_path / "storage.conf"
    storage.write_text(f'[storage]\ndriver = "overlay"\nrunroot = "{tmp_path}/run"\ngraphroot = "{tmp_path}/store"\n')
    monkeypatch.setenv("CONTAINERS_STORAGE_CONF", str(storage))
    monkeypatch.setenv("RISKHUB_STATE", str(tmp_path / "state"))
    buildah = Buildah()
    (tmp_path / "base").mkdir()
    (tmp_path / "base/Containerfile").write_text("FROM scratch\nCOPY Containerfile /base\n")
    (tmp_path / "secret").touch()
    buildah.build(
        Recipe(tmp_path / "base", "Containerfile", "localhost/base:1", {}, {}, tmp_path / "secret"), thing="b"
    )
    yield buildah
    subprocess.run(("umount", "--quiet", str(tmp_path / "store/overlay")), check=False)  # else tmp_path stays


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    make_checkout(tmp_path / "checkout")
    monkeypatch.setitem(COMPONENTS, "tiny", TINY)
    return tmp_path / "checkout"


@pytest.fixture
def image(engine: Buildah, checkout: Path) -> Image:
    return build_image("tiny", engine, "localhost/base:1", project=checkout)


def test_the_overlay_pins_the_digest_that_the_registry_serves(
    image: Image, engine: Buildah, checkout: Path, registry: Registry
) -> None:
    overlay = images_file("dev", checkout)
    pin(overlay, [push_image(image, engine, f"{registry.host}/platform", Credentials(USER, PASSWORD))])
    (entry,) = yaml.safe_load(overlay.read_text())["images"]
    assert (entry["name"], entry["newName"]) == ("riskhub/tiny", f"{registry.host}/platform/riskhub/tiny")
    by_digest = registry.get(f"platform/riskhub/tiny/manifests/{entry['digest']}", MANIFEST)
    by_tag = registry.get(f"platform/riskhub/tiny/manifests/{image.tag}", MANIFEST)
    assert by_tag.headers["Docker-Content-Digest"] == entry["digest"]
    assert by_digest.json()["config"]["digest"] == image.id


def test_what_the_registry_has_runs_as_nobody_special_and_names_its_source(
    image: Image, engine: Buildah, registry: Registry
) -> None:
    push_image(image, engine, registry.host, Credentials(USER, PASSWORD))
    config = registry.get(f"riskhub/tiny/blobs/{image.id}").json()["config"]
    assert config["User"] == "1000:1000"
    assert config["Labels"]["org.opencontainers.image.revision"] == image.revision
    assert config["Labels"]["riskhub.lock-sha256"] == image.lock_sha256


@pytest.mark.parametrize("credentials", [Credentials(USER, "a-wrong-password"), None])
def test_a_registry_that_knows_no_such_login_is_a_refusal(
    credentials: Credentials | None, image: Image, engine: Buildah, registry: Registry
) -> None:
    with pytest.raises(Refused, match="check the login") as told:
        push_image(image, engine, registry.host, credentials)
    assert "a-wrong-password" not in str(told.value)


def test_a_registry_that_is_down_is_worth_a_retry(image: Image, engine: Buildah) -> None:
    (port,) = free_ports(1)
    with pytest.raises(Unreachable, match="connection refused"):
        push_image(image, engine, f"127.0.0.1:{port}", Credentials(USER, PASSWORD))


def test_what_was_built_is_found_again_at_once(image: Image, engine: Buildah, checkout: Path) -> None:
    again = build_image("tiny", engine, image.base, project=checkout)
    assert (image.built, again.built, again.id) == (True, False, image.id)
    assert again.seconds < 1


def test_a_source_that_changed_is_in_the_next_image(
    image: Image, engine: Buildah, checkout: Path, tmp_path: Path
) -> None:
    commit_change(checkout, "app/main.py")
    after = build_image("tiny", engine, image.base, project=checkout)
    assert after.id != image.id
    assert b"# changed" in content(export_image(after, engine, tmp_path), "srv/app/main.py")


def test_an_archive_has_the_name_and_the_identity_that_a_node_will_see(
    image: Image, engine: Buildah, tmp_path: Path
) -> None:
    archive = export_image(image, engine, tmp_path, tag="node")
    written = archive.stat().st_mtime_ns
    with tarfile.open(archive) as opened:
        manifest = (opened.extractfile("manifest.json") or pytest.fail("no manifest")).read().decode()
    assert "localhost/riskhub/tiny:node" in manifest
    assert image.id.removeprefix("sha256:") in manifest
    export_image(image, engine, tmp_path, tag="node")
    assert archive.stat().st_mtime_ns == written


@pytest.mark.timeout(600)
def test_a_real_image_runs_as_1000_and_knows_nothing_of_the_machine_that_built_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("npm_config_registry", "http://leaked.invalid/npm")
    monkeypatch.setenv("RISKHUB_STATE", str(tmp_path / "state"))
    buildah = Buildah()
    image = build_image("redis", buildah, ensure_base(buildah))
    environment = {"BUILDAH_ISOLATION": "chroot", "STORAGE_DRIVER": "overlay", "PATH": os.environ["PATH"]}

    def call(*command: str) -> str:
        done = subprocess.run(("buildah", *command), env=environment, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    container = call("from", "--pull-never", image.reference)
    try:
        assert call("run", container, "--", "id", "-u") == "1000"
        assert call("run", container, "--", "redis-server", "--version").startswith("Redis server")
        handed_in = ("/run/secrets", "/etc/apt/sources.list")
        assert call("run", container, "--", "find", *handed_in, "-type", "f", "-size", "+0") == ""
    finally:
        call("rm", container)
    archive = export_image(image, buildah, tmp_path).read_bytes()
    assert b"leaked.invalid" not in archive
    assert b"nameserver 1" not in archive


def content(archive: Path, name: str) -> bytes:
    """A file of the image, from whichever layer has it."""
    with tarfile.open(archive) as opened:
        for layer in (member for member in opened.getmembers() if member.name.endswith(".tar") and member.size):
            with tarfile.open(fileobj=opened.extractfile(layer)) as inner:
                if name in inner.getnames():
                    return (inner.extractfile(name) or pytest.fail(name)).read()
    pytest.fail(f"{name} is in no layer")
