"""Overlays as kubectl renders them, and what it says when it cannot."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from domain.errors import Failed, Refused
from systems.cluster.rendering import render

ACCOUNT = "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: hub}\n"


def overlay(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)
    return folder


def test_an_overlay_is_rendered_with_its_own_namespace(tmp_path: Path) -> None:
    made = overlay(tmp_path, kustomization="namespace: jupyterhub\nresources: [account.yaml]\n", account=ACCOUNT)
    (manifest,) = render(made)
    assert manifest["metadata"] == {"name": "hub", "namespace": "jupyterhub"}


def test_an_overlay_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"overlay nowhere: .*holds no kustomization\.yaml"):
        render(tmp_path / "nowhere")


def test_what_kustomize_does_not_take_is_refused_in_its_words(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"kustomize does not take it: .*missing\.yaml"):
        render(overlay(tmp_path, kustomization="resources: [missing.yaml]\n"))


def test_without_kubectl_it_is_refused_with_the_next_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = overlay(tmp_path, kustomization="resources: [account.yaml]\n", account=ACCOUNT)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Refused, match=r"kubectl is not installed here\. Next: install it"):
        render(made)


def test_a_rendering_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = overlay(tmp_path, kustomization="resources: [account.yaml]\n", account=ACCOUNT)
    slow = tmp_path / "bin" / "kubectl"
    slow.parent.mkdir()
    slow.write_text("#!/bin/sh\nexec /bin/sleep 60\n")
    slow.chmod(0o755)
    monkeypatch.setenv("PATH", str(slow.parent))
    with pytest.raises(Failed, match="was not done after 0 s"):
        render(made, deadline=timedelta(seconds=0.3))
