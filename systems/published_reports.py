"""Reports in the bucket: the notebook and the page first, the manifest last.

Without `manifest.json` below its key a report is not published, whatever else lies there. A failed report is
kept below `<key>/failed/` with `state.json`, where nobody takes it for a good one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from domain.errors import Damaged
from domain.reports import ReportRun
from environments.settings import ObjectStoreSettings
from systems.kernels.executors import NOTEBOOK
from systems.kernels.reports import PAGE, NotebookRun
from systems.objects import get_object, put_object

MANIFEST = "manifest.json"
STATE = "state.json"
_TYPES = {NOTEBOOK: "application/x-ipynb+json", PAGE: "text/html; charset=utf-8"}


@dataclass(frozen=True)
class Lineage:
    """What a report was made from: SHA-256 of its libraries by path and of the lock, and when it ran (UTC)."""

    libraries: Mapping[str, str]
    python: str
    requirements_lock_sha256: str
    started_at: datetime
    finished_at: datetime


def publish_report(store: ObjectStoreSettings, run: ReportRun, made: NotebookRun, lineage: Lineage) -> str:
    """Write a complete report; the key of its manifest. The same call again is harmless.

    Raises:
        Refused, Unreachable: it is not published: there is no manifest.
    """
    outputs = _store(store, run.key, made)
    manifest = _described(run, made, lineage) | {"outputs": outputs}
    key = f"{run.key}/{MANIFEST}"
    put_object(store, key, _json(manifest), content_type="application/json", if_absent=True, locked=True)
    return key


def keep_failed_report(store: ObjectStoreSettings, run: ReportRun, made: NotebookRun, lineage: Lineage) -> str:
    """Keep what a failed report left, and why it failed; the key of the notebook.

    Raises:
        Refused, Unreachable: some of it is not in the bucket.
    """
    outputs = _store(store, f"{run.key}/failed", made)
    failed = asdict(made.failed_cell) if made.failed_cell else None
    state = _described(run, made, lineage) | {"problem": made.problem, "failed_cell": failed, "outputs": outputs}
    key = f"{run.key}/failed/{STATE}"
    put_object(store, key, _json(state), content_type="application/json", if_absent=True)
    return f"{run.key}/failed/{NOTEBOOK}"


def verify_report(store: ObjectStoreSettings, manifest_key: str) -> int:
    """Read a published report back, whole; how many bytes its outputs have.

    Raises:
        Damaged: an output is not the one that the manifest names.
        Refused, Unreachable: the manifest or an output cannot be read.
    """
    manifest = json.loads(get_object(store, manifest_key))
    folder, size = manifest_key.removesuffix(f"/{MANIFEST}"), 0
    for name, described in manifest["outputs"].items():
        body = get_object(store, f"{folder}/{name}")
        if _sha256(body) != described["sha256"]:
            thing = f"s3://{store.bucket}/{folder}/{name}"
            raise Damaged(thing, "its SHA-256 is not the manifest's", "run the report again: it gets a key of its own")
        size += len(body)
    return size


def file_sha256(path: Path) -> str:
    """Of a file's bytes, hex."""
    return _sha256(path.read_bytes())


def _store(store: ObjectStoreSettings, folder: str, made: NotebookRun) -> dict[str, dict[str, str | int]]:
    outputs: dict[str, dict[str, str | int]] = {}
    for path in (made.notebook, made.page):
        body = path.read_bytes()
        put_object(store, f"{folder}/{path.name}", body, content_type=_TYPES[path.name], if_absent=True)
        outputs[path.name] = {"sha256": _sha256(body), "bytes": len(body)}
    return outputs


def _described(run: ReportRun, made: NotebookRun, lineage: Lineage) -> dict[str, Any]:
    return {
        "report": run.report,
        "run_id": run.run_id,
        "as_of": run.as_of.isoformat(),
        "state": made.state,
        "parameters": dict(run.parameters),
        "figures": dict(made.figures),
        "notebook": {"path": run.notebook, "sha256": run.notebook_sha256},
        "libraries": dict(lineage.libraries),
        "python": lineage.python,
        "requirements_lock_sha256": lineage.requirements_lock_sha256,
        "started_at": lineage.started_at.isoformat(),
        "finished_at": lineage.finished_at.isoformat(),
    }


def _json(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, indent=1, sort_keys=True).encode() + b"\n"


def _sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()
