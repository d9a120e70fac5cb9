"""Where a mirror is: plain objects below `PREFIX/`, its manifests beside them below `manifests/`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pydantic import ValidationError

from domain.errors import Refused
from environments.settings import ObjectStoreSettings

_URL = re.compile(r"s3://([^/]+)/*(.*)")


@dataclass(frozen=True)
class MirrorLocation:
    """A bucket and the prefix of the mirror in it, e.g. `user-data`.

    Raises:
        Refused: there is no prefix, or it would lie among manifests.
    """

    store: ObjectStoreSettings
    prefix: str

    def __post_init__(self) -> None:
        segments = [segment for segment in self.prefix.split("/") if segment]
        object.__setattr__(self, "prefix", "/".join(segments))
        if not segments:
            raise Refused(
                f"s3://{self.store.bucket}",
                "a mirror needs a prefix, since its manifests lie beside it",
                f"write s3://{self.store.bucket}/user-data",
            )
        if segments[-1] in (".", "..", "manifests") or ".." in segments or "." in segments:
            raise Refused(self.url, "no mirror can have this prefix", "choose another, such as user-data")

    @property
    def url(self) -> str:
        return f"s3://{self.store.bucket}/{self.prefix}"

    @property
    def manifests(self) -> str:
        """Where the manifests are: for `a/user-data` they are below `a/manifests/user-data/`."""
        parent, slash, name = self.prefix.rpartition("/")
        return f"{parent}{slash}manifests/{name}/"


def parse_location(url: str, endpoint_url: str | None = None, region: str | None = None) -> MirrorLocation:
    """The mirror at `s3://BUCKET/PREFIX`.

    Raises:
        Refused: it is no such address.
    """
    found = _URL.fullmatch(url)
    if found is None:
        raise Refused(url, "it is no bucket address", "write it as s3://BUCKET/PREFIX")
    given = {"endpoint_url": endpoint_url, "region": region}
    try:
        store = ObjectStoreSettings(bucket=found[1], **{name: value for name, value in given.items() if value})
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise Refused(url, f"{where}: {first['msg']}", "correct it and run again") from None
    return MirrorLocation(store, found[2])
