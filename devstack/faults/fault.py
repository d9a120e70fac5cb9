"""What a fault is, how its diagnosis is asked for, and what several of them need to be injected."""

from __future__ import annotations

import os
import secrets
import signal
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import boto3
import psutil

from devstack.stack import Stack
from domain.health import Cause, Kind
from environments import Environment
from plans.diagnosis import causes, diagnose
from systems.probes import carry_out
from tasks.health import probes_of, quick_probes_of

Injection = Callable[[Stack, Environment], AbstractContextManager[Environment]]


@dataclass(frozen=True)
class Fault:
    """A fault of one part.

    Attributes:
        name: what is wrong, in words.
        kind: the root cause that it is to be told as, and no other.
        inject: breaks the part while it is held; yields the environment to look at, mostly as it was.
        more: the probes to look with besides the quick ones.
    """

    name: str
    kind: Kind
    inject: Injection
    more: Collection[str] = ()


def diagnosed(env: Environment, more: Collection[str] = ()) -> tuple[Cause, ...]:
    """The root causes that the quick probes find, and `more` by name, carried out side by side as the flows do."""
    probes = [*quick_probes_of(env), *(each for each in probes_of(env) if each.name in more)]
    with ThreadPoolExecutor(len(probes)) as pool:
        return causes(diagnose(list(pool.map(carry_out, probes))))


def changed(env: Environment, section: str, **values: object) -> Environment:
    """The environment with other values in one section, as a wrong variable makes it."""
    return env.model_copy(update={section: getattr(env, section).model_copy(update=values)})


@contextmanager
def stopped(stack: Stack, name: str) -> Iterator[None]:
    """The part is not there."""
    stack.stop_part(name)
    try:
        yield
    finally:
        stack.restart_part(name)


@contextmanager
def halted(stack: Stack, name: str) -> Iterator[None]:
    """The part is there, takes connections, and does nothing: every process of it has SIGSTOP."""
    parent = psutil.Process(stack.running[name][1].pid)
    processes = [parent, *parent.children(recursive=True)]
    with halting(processes):
        yield


@contextmanager
def halting(processes: Collection[psutil.Process]) -> Iterator[None]:
    """These processes have SIGSTOP."""
    for process in processes:
        os.kill(process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for process in processes:
            if process.is_running():
                os.kill(process.pid, signal.SIGCONT)


@contextmanager
def restarted_with(stack: Stack, name: str, **variables: str) -> Iterator[None]:
    """The part runs with other variables."""
    part, _ = stack.running[name]
    stack.stop_part(name)
    stack.start_parts(replace(part, environment={**part.environment, **variables}))
    try:
        yield
    finally:
        stack.stop_part(name)
        stack.start_parts(part)


def s3_of(env: Environment) -> Any:
    """A client of the environment's object store."""
    store = env.objects
    key, secret = store.access_key_id, store.secret_access_key
    return boto3.client(
        "s3",
        endpoint_url=store.endpoint_url,
        region_name=store.region,
        aws_access_key_id=key.get_secret_value() if key else None,
        aws_secret_access_key=secret.get_secret_value() if secret else None,
    )


def with_empty_bucket(env: Environment) -> Environment:
    """The environment with a bucket of its own, in which nothing ever was; Object Lock is on."""
    name = f"bucket-{secrets.token_hex(4)}"
    s3_of(env).create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    return changed(env, "objects", bucket=name)
