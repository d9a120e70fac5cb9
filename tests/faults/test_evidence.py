"""Evidence as an auditor meets it: all of a bucket, one piece offline, and a piece that somebody altered."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from devstack.stack import Stack
from environments import Environment
from environments.loader import PROJECT
from systems.evidence import public_key_name
from systems.objects import get_object, put_object
from systems.signing import signed_by
from tests.faults.conftest import keys_below
from tests.faults.oncall import Answer, OnCall

FOLDER = "evidence/cull-idle-servers/"


@pytest.fixture
def piece(env: Environment, on_call: OnCall) -> str:
    """The key of a piece of evidence that a run just left."""
    before = keys_below(env.objects, FOLDER)
    assert on_call.riskhub("sessions", "cull", "--environment", "local", "--json").code == 0
    (key,) = keys_below(env.objects, FOLDER) - before
    return key


def verify(on_call: OnCall, *arguments: str) -> Answer:
    return on_call.riskhub("evidence", "verify", *arguments)


def test_a_piece_verifies_with_the_key_beside_it(env: Environment, on_call: OnCall, piece: str) -> None:
    answer = verify(on_call, f"s3://{env.objects.bucket}/{piece}")
    assert answer.code == 0, answer
    assert "cull-idle-servers planned" in answer.out


def test_with_file_and_public_key_nothing_else_is_needed(env: Environment, piece: str, tmp_path: Path) -> None:
    envelope = get_object(env.objects, piece)
    signer = signed_by(envelope, thing=piece)
    assert signer
    (tmp_path / "piece.json").write_bytes(envelope)
    (tmp_path / "key.pem").write_bytes(get_object(env.objects, public_key_name(signer)))
    command = (sys.executable, "-m", "cli.main", "evidence", "verify", "piece.json", "--public-key", "key.pem")
    variables = {"PATH": os.environ["PATH"], "PYTHONPATH": str(PROJECT)}
    ended = subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended


def test_one_bad_piece_among_good_ones_is_named_and_code_1(
    stack: Stack, env: Environment, on_call: OnCall, piece: str
) -> None:
    envelope = json.loads(get_object(env.objects, piece))
    record = json.loads(base64.b64decode(envelope["payload"]))
    record["summary"] = "nobody was idle"
    envelope["payload"] = base64.b64encode(json.dumps(record).encode()).decode()
    forged = f"{FOLDER}20260301T000000Z-forged.json"
    put_object(env.objects, forged, json.dumps(envelope).encode(), content_type="application/json")

    answer = verify(on_call, "--all")

    bad = [line for line in answer.out.splitlines() if line.startswith("failed")]
    assert answer.code == 1
    assert len(bad) == 1
    assert forged in bad[0]
    assert "it was altered" in bad[0]
    assert "1 of " in answer.err


def test_the_key_is_shown_by_its_id_and_its_secret_by_name_alone(env: Environment, on_call: OnCall, piece: str) -> None:
    answer = on_call.riskhub("evidence", "key")
    assert answer.code == 0, answer
    assert "riskhub/evidence-signing-key" in answer.out
    assert (signed_by(get_object(env.objects, piece), thing=piece) or "-") in answer.out
