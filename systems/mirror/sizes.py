"""How large each home is, and was: from the manifests alone, so no walk of a file system with millions of files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime

from domain.utilisation import HomeSizes
from systems.mirror.bucket import Bucket
from systems.mirror.location import MirrorLocation
from systems.mirror.manifest import Page
from systems.mirror.names import escape
from systems.mirror.points import last_until, load_point, look_at_shelf, rows_of


def home_sizes(location: MirrorLocation, since: datetime) -> HomeSizes | None:
    """Bytes of each folder right below the mirrored one, as restored, in the newest point and in that of `since`.

    Without a point of then it is the first; None where there is no point at all. A page that both share is read once.

    Raises:
        Refused, Unreachable, Damaged: as reads of the bucket.
    """
    bucket = Bucket(location)
    shelf = look_at_shelf(bucket)
    if not shelf.sequences:
        return None
    now = load_point(bucket, shelf.last)
    then = load_point(bucket, last_until(bucket, shelf, since) or shelf.sequences[0])
    of_now, of_then = ({page.key: page for page in point.pages} for point in (now, then))
    both = _sizes(bucket, (of_now[key] for key in of_now if key in of_then))
    only_now = _sizes(bucket, (of_now[key] for key in of_now if key not in of_then))
    only_then = _sizes(bucket, (of_then[key] for key in of_then if key not in of_now))
    return HomeSizes(then.created_at, now.created_at, _sum(both, only_then), _sum(both, only_now))


def _sizes(bucket: Bucket, pages: Iterable[Page]) -> Counter[bytes]:
    sizes: Counter[bytes] = Counter()
    for row in rows_of(bucket, pages):
        home, slash, _ = row.path.partition(b"/")
        entry = row.entry
        if slash or entry.is_folder:  # a file beside the homes is nobody's
            sizes[home] += entry.size
    del sizes[b""]
    return sizes


def _sum(first: Counter[bytes], second: Counter[bytes]) -> dict[str, int]:
    # an empty home counts too: `+` of Counters drops it
    return {escape(home): first[home] + second[home] for home in first.keys() | second.keys()}
