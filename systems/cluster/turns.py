"""One holder at a time, by a Lease that its holder renews: who was killed loses it, wherever it ran.

No clock of another machine is believed: a Lease counts as given up once it was watched for `LASTS` and not renewed.
"""

from __future__ import annotations

import os
import socket
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from threading import Event, Thread
from typing import Any

from domain.clock import utc_now
from domain.deployment import ObjectKey
from domain.errors import Refused, RiskhubError
from systems.cluster.connection import Cluster, Conflict

LASTS = timedelta(seconds=30)
_RENEWED_EVERY = timedelta(seconds=8)
_POLL_SECONDS = 1.0


@dataclass
class Turn:
    """A turn at what the Lease `key` stands for. It lasts until `give_back`, or until nobody renews it."""

    cluster: Cluster
    key: ObjectKey
    _uid: str = field(default="", init=False)
    _over: Event = field(default_factory=Event, init=False)

    def take(self) -> None:
        """Hold the Lease, and renew it from now on. Waits up to `LASTS` where somebody who held it may be dead.

        Raises:
            Refused: another one holds it.
        """
        if left := self.cluster.read(self.key):
            self._watch(left)
        try:
            if left:
                self.cluster.remove(self.key, left["metadata"]["uid"])
            made = self.cluster.create(self.key, self._manifest())
        except Conflict:
            raise self._held_by(self.cluster.read(self.key)) from None
        self._uid = made["metadata"]["uid"]
        Thread(target=self._renew, name=f"turn-{self.key.name}", daemon=True).start()

    def require(self) -> None:
        """Refuse to go on where the turn was lost: this process stood still, or somebody deleted the Lease.

        Raises:
            Refused: the Lease is not ours.
        """
        live = self.cluster.read(self.key)
        if live is None or live["metadata"]["uid"] != self._uid:
            raise self._held_by(live)

    def give_back(self) -> None:
        """Let the next one have it. A turn that was lost stays with whoever has it now."""
        self._over.set()
        with suppress(Conflict):
            self.cluster.remove(self.key, self._uid)

    def _watch(self, left: Any) -> None:
        give_up = time.monotonic() + LASTS.total_seconds()
        while time.monotonic() < give_up:
            time.sleep(_POLL_SECONDS)
            live = self.cluster.read(self.key)
            if live is None:
                return
            if live["spec"] != left["spec"]:
                raise self._held_by(live)

    def _renew(self) -> None:
        """Until it is over. An answer that does not come is asked for again; the uid keeps a lost turn lost."""
        while not self._over.wait(_RENEWED_EVERY.total_seconds()):
            manifest = self._manifest()
            manifest["metadata"]["uid"] = self._uid
            try:
                self.cluster.apply(self.key, manifest)
            except Conflict:
                return
            except RiskhubError:
                continue

    def _manifest(self) -> dict[str, Any]:
        moment = utc_now().isoformat(timespec="microseconds").replace("+00:00", "Z")
        return {
            "apiVersion": self.key.api_version,
            "kind": self.key.kind,
            "metadata": {"name": self.key.name, "namespace": self.key.namespace},
            "spec": {
                "holderIdentity": f"{socket.gethostname()}/{os.getpid()}",
                "leaseDurationSeconds": int(LASTS.total_seconds()),
                "renewTime": moment,
            },
        }

    def _held_by(self, live: Any) -> Refused:
        holder = live["spec"]["holderIdentity"] if live else "nobody, it was deleted meanwhile"
        step = f"wait for it to end; one that was killed lets go within {LASTS.total_seconds():.0f} s"
        return Refused(self.cluster.thing, f"{self.key.label} is held by {holder}", step)
