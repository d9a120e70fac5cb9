"""The digests in an environment's overlay."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from build.overlay import Pin, images_file, pin
from domain.errors import Refused
from environments.loader import PROJECT

A, B = "sha256:" + "a" * 64, "sha256:" + "b" * 64


def images(path: Path) -> list[dict[str, str]]:
    found: list[dict[str, str]] = yaml.safe_load(path.read_text())["images"]
    return found


def pinned(component: str, digest: str) -> Pin:
    return Pin(name=f"riskhub/{component}", newName=f"registry.example.org/riskhub/{component}", digest=digest)


def test_the_first_digest_makes_the_file(tmp_path: Path) -> None:
    path = images_file("dev", tmp_path)
    pin(path, [pinned("proxy", A)])
    assert path == tmp_path / "k8s/overlays/dev/images/kustomization.yaml"
    document = yaml.safe_load(path.read_text())
    assert (document["apiVersion"], document["kind"]) == ("kustomize.config.k8s.io/v1alpha1", "Component")
    assert document["images"] == [
        {"name": "riskhub/proxy", "newName": "registry.example.org/riskhub/proxy", "digest": A}
    ]


def test_a_digest_replaces_its_own_and_leaves_the_others_sorted(tmp_path: Path) -> None:
    path = tmp_path / "kustomization.yaml"
    pin(path, [pinned("runbook", A), pinned("jupyterhub", A)])
    pin(path, [pinned("proxy", A)])
    pin(path, [pinned("jupyterhub", B)])
    assert [(each["name"], each["digest"]) for each in images(path)] == [
        ("riskhub/jupyterhub", B),
        ("riskhub/proxy", A),
        ("riskhub/runbook", A),
    ]


def test_the_tags_of_images_that_a_node_has_loaded_stay(tmp_path: Path) -> None:
    path = tmp_path / "kustomization.yaml"
    loaded = Pin(name="riskhub/redis", newName="localhost/riskhub/redis", newTag="node")
    pin(path, [loaded])
    pin(path, [pinned("proxy", A)])
    assert images(path)[1] == {"name": "riskhub/redis", "newName": "localhost/riskhub/redis", "newTag": "node"}


@pytest.mark.parametrize("environment", ["local", "dev", "uat", "prod"])
def test_the_overlays_own_files_are_read_and_written_back_as_they_are(environment: str, tmp_path: Path) -> None:
    original = images_file(environment, PROJECT).read_text()  # type: ignore[arg-type]
    path = tmp_path / "kustomization.yaml"
    path.write_text(original)
    pin(path, [])
    assert yaml.safe_load(path.read_text()) == yaml.safe_load(original)


@pytest.mark.parametrize("digest", ["latest", "sha256:abc", "sha512:" + "a" * 128])
def test_what_is_no_digest_is_never_written(digest: str) -> None:
    with pytest.raises(ValidationError, match="64 hexadecimal digits"):
        pinned("proxy", digest)


def test_an_image_with_neither_digest_nor_tag_would_float() -> None:
    with pytest.raises(ValidationError, match="a digest, or the tag"):
        Pin(name="riskhub/proxy", newName="registry.example.org/riskhub/proxy")


@pytest.mark.parametrize(
    "content", ["images: [", "kind: Kustomization\nimages: []", "kind: Component\nresources: [hub.yaml]", "words"]
)
def test_a_file_that_is_somebody_elses_is_refused_and_left(content: str, tmp_path: Path) -> None:
    path = tmp_path / "kustomization.yaml"
    path.write_text(content)
    with pytest.raises(Refused, match="restore it from git"):
        pin(path, [pinned("proxy", A)])
    assert path.read_text() == content
    assert list(tmp_path.iterdir()) == [path]
