"""Faults of what stands around the Hub: SSO, the Risk API, the homes, the bucket, the network."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread

import httpx
import psutil
from pydantic import SecretStr

from devstack.faults.disk import filled, small_disk
from devstack.faults.fault import changed, halted, halting, restarted_with, s3_of, stopped
from devstack.object_store import weed
from devstack.stack import Stack
from domain.errors import Refused
from environments import Environment

_AHEAD = """\
import time
_now = time.time
time.time = lambda: _now() + 600
"""


@contextmanager
def sso_down(stack: Stack, env: Environment) -> Iterator[Environment]:
    with stopped(stack, "sso"):
        yield env


@contextmanager
def sso_halted(stack: Stack, env: Environment) -> Iterator[Environment]:
    with halted(stack, "sso"):
        yield env


@contextmanager
def client_secret_renewed(stack: Stack, env: Environment) -> Iterator[Environment]:
    """At the provider, and nobody told the Hub."""
    with restarted_with(stack, "sso", SSO_CLIENT_SECRET="a new one"):  # noqa: S106 - what a fault is made of
        yield env


@contextmanager
def sso_clock_ahead(stack: Stack, env: Environment) -> Iterator[Environment]:
    """Its process takes the time for ten minutes later."""
    with TemporaryDirectory() as folder:
        Path(folder, "sitecustomize.py").write_text(_AHEAD)
        with restarted_with(stack, "sso", PYTHONPATH=folder):
            yield env


@contextmanager
def account_without_group(stack: Stack, env: Environment) -> Iterator[Environment]:
    """Somebody took the synthetic user's account out of its group at the SSO."""
    with restarted_with(stack, "sso", SSO_MOVED=env.health.synthetic_user):
        yield env


@contextmanager
def shared_folder_gone(_: Stack, env: Environment) -> Iterator[Environment]:
    aside = env.homes.mount_point / "data.aside"
    (env.homes.mount_point / "data").rename(aside)
    try:
        yield env
    finally:
        aside.rename(env.homes.mount_point / "data")


@contextmanager
def risk_api_down(stack: Stack, env: Environment) -> Iterator[Environment]:
    with stopped(stack, "risk-api"):
        yield env


@contextmanager
def risk_api_halted(stack: Stack, env: Environment) -> Iterator[Environment]:
    with halted(stack, "risk-api"):
        yield env


class _NobodyBehindIt(BaseHTTPRequestHandler):
    """What a load balancer says that has nothing to pass a request on to."""

    def do_GET(self) -> None:
        self.send_response(HTTPStatus.BAD_GATEWAY)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        return


@contextmanager
def risk_api_behind_a_gateway(stack: Stack, env: Environment) -> Iterator[Environment]:
    """It is not there, and the load balancer before it answers in its place."""
    address = httpx.URL(env.risk_api.url)
    with stopped(stack, "risk-api"), ThreadingHTTPServer((address.host, address.port or 80), _NobodyBehindIt) as before:
        serving = Thread(target=before.serve_forever)
        serving.start()
        try:
            yield env
        finally:
            before.shutdown()
            serving.join()


@contextmanager
def risk_api_tokens_renewed(stack: Stack, env: Environment) -> Iterator[Environment]:
    """In the API, and nobody told us."""
    with restarted_with(stack, "risk-api", RISK_API_TOKENS=json.dumps({"f" * 32: "platform"})):
        yield env


@contextmanager
def users_tokens_renewed(stack: Stack, env: Environment) -> Iterator[Environment]:
    """In the Risk API those of users, and nobody told the Hub; our own is good."""
    ours = env.risk_api.token.get_secret_value()
    with restarted_with(stack, "risk-api", RISK_API_TOKENS=json.dumps({ours: "platform"})):
        yield env


@contextmanager
def name_unknown(_: Stack, env: Environment) -> Iterator[Environment]:
    """Two addresses have a name that no server knows (RFC 6761: `invalid` is nobody's)."""
    env = changed(env, "risk_api", url="http://risk.riskhub.invalid")
    yield changed(env, "sso", url="http://sso.riskhub.invalid")


@contextmanager
def homes_gone(_: Stack, env: Environment) -> Iterator[Environment]:
    """The mount point is there, and nothing is mounted."""
    aside = env.homes.mount_point.with_name("efs.aside")
    env.homes.mount_point.rename(aside)
    env.homes.mount_point.mkdir()
    try:
        yield env
    finally:
        env.homes.mount_point.rmdir()
        aside.rename(env.homes.mount_point)


@contextmanager
def homes_full(_: Stack, env: Environment) -> Iterator[Environment]:
    """Nobody can save a notebook: the file system with the homes has no byte left."""
    with small_disk(env.homes.user_data, 2**20), filled(env.homes.user_data):
        yield env


@contextmanager
def homes_hang(stack: Stack, env: Environment) -> Iterator[Environment]:
    """Nobody answers any more, as with an NFS whose server is gone."""
    with _on_the_network(stack) as (mount, client), halting([client]):
        yield changed(env, "homes", mount_point=mount)


@contextmanager
def homes_stale(stack: Stack, env: Environment) -> Iterator[Environment]:
    """It is mounted, and its client is dead."""
    with _on_the_network(stack) as (mount, client):
        client.kill()
        client.wait(10)
        yield changed(env, "homes", mount_point=mount)


@contextmanager
def _on_the_network(stack: Stack) -> Iterator[tuple[Path, psutil.Popen]]:
    """Homes on a file system of the object store's, and the process that is its client.

    Raises:
        Refused: this process may not mount.
    """
    ports = stack.choices.ports
    filer = f"127.0.0.1:{ports['object-store-6']}.{ports['object-store-7']}"
    mount = stack.state / "network-homes"
    mount.mkdir()
    command = (weed(), "mount", f"-filer={filer}", f"-dir={mount}", "-volumeServerAccess=filerProxy")
    client = psutil.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        give_up = time.monotonic() + 30
        while not mount.is_mount():
            if client.poll() is not None or time.monotonic() > give_up:
                raise Refused(f"a file system at {mount}", "it cannot be mounted", "run it as root, with /dev/fuse")
            time.sleep(0.05)
        (mount / "user-data").mkdir(exist_ok=True)
        yield mount, client
    finally:
        subprocess.run(("umount", "--lazy", str(mount)), check=False, timeout=10)
        if client.poll() is None:
            client.terminate()
            client.wait(20)
        mount.rmdir()


@contextmanager
def bucket_denied(_: Stack, env: Environment) -> Iterator[Environment]:
    """Somebody tightened the bucket's policy."""
    s3, bucket = s3_of(env), env.objects.bucket
    statement = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": ["s3:PutObject"],
        "Resource": [f"arn:aws:s3:::{bucket}/*"],
    }
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    try:
        yield env
    finally:
        s3.delete_bucket_policy(Bucket=bucket)


@contextmanager
def bucket_keys_revoked(_: Stack, env: Environment) -> Iterator[Environment]:
    yield changed(env, "objects", secret_access_key=SecretStr("f" * 32))


@contextmanager
def bucket_missing(_: Stack, env: Environment) -> Iterator[Environment]:
    yield changed(env, "objects", bucket="no-such-bucket")


@contextmanager
def bucket_unversioned(_: Stack, env: Environment) -> Iterator[Environment]:
    s3_of(env).create_bucket(Bucket="unversioned")
    try:
        yield changed(env, "objects", bucket="unversioned")
    finally:
        s3_of(env).delete_bucket(Bucket="unversioned")


@contextmanager
def object_store_down(stack: Stack, env: Environment) -> Iterator[Environment]:
    with stopped(stack, "object-store"):
        yield env


@contextmanager
def object_store_halted(stack: Stack, env: Environment) -> Iterator[Environment]:
    with halted(stack, "object-store"):
        yield env
