"""`riskhub evidence`: is a piece of evidence what was signed? And the key that signs it."""

from __future__ import annotations

import json
from pathlib import Path

import click

from cli.answer import print_table
from cli.flow_command import plain_command
from domain.errors import Damaged, Refused
from domain.record import Record
from environments import EnvironmentName, load_environment
from environments.settings import ObjectStoreSettings
from systems.answers import Absent
from systems.evidence import FOLDER, public_key_name, publish_key, signing_key, verified_record
from systems.objects import get_object, list_objects
from systems.signing import SigningKey, new_key, signed_by
from systems.vault import create_secret, has_secret

_BUCKET = "s3://"


def _verify(
    evidence: str | None, every: bool, public_key: Path | None, environment: EnvironmentName, as_json: bool
) -> None:
    """Tell whether evidence is what was signed. Exit 1 when it is not: altered, signed by another key, or by nobody.

    EVIDENCE is a file, or s3://BUCKET/KEY as a run's answer names it; --all reads all of the bucket. With a file and
    --public-key nothing else is needed: no environment, no AWS, no network.
    """
    if (evidence is None) is not every:
        raise click.UsageError("give one piece of evidence, or --all")
    given = public_key.read_bytes() if public_key else None
    if every:
        store = load_environment(environment).objects
        names = [each.key for each in list_objects(store, f"{FOLDER}/") if each.key.endswith(".json")]
        rows = [_row(f"{_BUCKET}{store.bucket}/{name}", environment, given) for name in names]
    else:
        rows = [_row(str(evidence), environment, given)]
    bad = sum(row["state"] != "ok" for row in rows)
    if as_json:
        click.echo(json.dumps({"state": "failed" if bad else "complete", "evidence": rows}))
    else:
        print_table(("STATE", "EVIDENCE", "SIGNED BY", "WHAT IT SAYS"), (tuple(row.values()) for row in rows))
    if bad:
        click.echo(f"riskhub: failed: {bad} of {len(rows)} pieces of evidence do not verify", err=True)
        click.get_current_context().exit(1)


def _row(evidence: str, environment: EnvironmentName, public: bytes | None) -> dict[str, str]:
    try:
        record, signer = _verified(evidence, environment, public)
    except (Damaged, Refused) as error:
        return {
            "state": "failed",
            "evidence": evidence,
            "signed_by": "-",
            "says": f"{error.cause}. Next: {error.next_step}",
        }
    says = f"{record.flow} {record.state} {record.finished_at:%Y-%m-%d %H:%M:%S} UTC: {record.summary}"
    return {"state": "ok", "evidence": evidence, "signed_by": signer[:16], "says": says}


def _verified(evidence: str, environment: EnvironmentName, public: bytes | None) -> tuple[Record, str]:
    store = None if public and not evidence.startswith(_BUCKET) else load_environment(environment).objects
    envelope = _envelope(evidence, store)
    signer = signed_by(envelope, thing=evidence) or ""
    if public is None and store is not None:
        public = _published(store, signer) if signer else b""
    return verified_record(envelope, public or b"", thing=evidence), signer


def _envelope(evidence: str, store: ObjectStoreSettings | None) -> bytes:
    if evidence.startswith(_BUCKET) and store is not None:
        bucket, _, key = evidence.removeprefix(_BUCKET).partition("/")
        return get_object(store.model_copy(update={"bucket": bucket}), key)
    try:
        return Path(evidence).read_bytes()
    except OSError as error:
        raise Refused(evidence, f"it cannot be read ({error.strerror})", "give a file, or s3://BUCKET/KEY") from None


def _published(store: ObjectStoreSettings, signer: str) -> bytes:
    try:
        return get_object(store, public_key_name(signer))
    except Absent:
        cause = f"there is no public key {signer} beside the evidence"
        raise Refused(f"evidence signed by {signer}", cause, "give the key with --public-key") from None


def _key(execute: bool, environment: EnvironmentName, as_json: bool) -> None:
    """The key that signs evidence: shows it, and makes it where there is none, with --execute.

    The private key goes to AWS Secrets Manager, the public one beside the evidence.
    """
    env = load_environment(environment)
    there = has_secret(env.aws, env.aws.evidence_key)
    if not there and execute:
        create_secret(env.aws, env.aws.evidence_key, new_key())
    if there or execute:
        key: SigningKey = signing_key(env.aws)
        where = publish_key(env.objects, key) if execute else public_key_name(key.id)
        facts = {"state": "complete", "secret": env.aws.evidence_key, "key": key.id, "public_key": where}
    else:
        facts = {"state": "planned", "secret": env.aws.evidence_key, "key": "none yet; --execute makes it"}
    if as_json:
        click.echo(json.dumps(facts))
    else:
        print_table(("FACT", "VALUE"), facts.items())


verify = plain_command(
    "evidence verify",
    _verify,
    ["drill.json --public-key evidence.pem", "s3://BUCKET/evidence/recovery-drill/…json", "--all --environment prod"],
    click.Argument(["evidence"], required=False),
    click.Option(["--all", "every"], is_flag=True, help="Every piece of evidence in the environment's bucket."),
    click.Option(
        ["--public-key"],
        type=click.Path(path_type=Path, exists=True, dir_okay=False),
        help="PEM; without it the one beside the evidence.",
    ),
)
key = plain_command(
    "evidence key",
    _key,
    ["", "--execute --environment prod"],
    click.Option(["--execute"], is_flag=True, help="Make it if there is none."),
)
