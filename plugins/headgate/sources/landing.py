"""Landing: the answers of an API, unchanged, as objects in the landing bucket, each with its manifest.

The body is put first and its manifest second, with the ETag of the body that it is about: after a crash in
between they do not belong together, and the next fetch puts the same bytes again, which is no new version.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headgate.contract import Contract
from headgate.errors import DataError, Fatal
from headgate.records.model import MIB
from headgate.sources.keys import MANIFESTS, Place, folder
from headgate.sources.model import Ask, Page, Provider, Rejected, Want
from headgate.sources.reader import RecordLines
from headgate.store import ObjectChanged

if TYPE_CHECKING:
    from headgate.store import ObjectStore

NOTHING = hashlib.sha256(b"").hexdigest()
HEADERS = frozenset(
    {
        "cache-control",
        "cmr-hits",
        "cmr-request-id",
        "cmr-search-after",
        "content-encoding",
        "content-language",
        "content-type",
        "date",
        "etag",
        "expires",
        "last-modified",
        "link",
        "x-request-id",
    }
)
"""Headers of answers that a manifest keeps; any other may be a secret, as a cookie is."""


@dataclass(frozen=True)
class Landed:
    """How many pages a window's slice has, and how many of them with another content than before."""

    pages: int
    pages_new: int


def land(store: ObjectStore, contract: Contract, provider: Provider, ask: Ask, want: Want) -> Landed:
    """Ask for all that is wanted and land each page as it comes; what the provider raises passes through.

    A page that is there already with the same content is not put again; of a provider whose bodies say when
    they were made its records are the content. Pages of an earlier fetch that are not among the answers any
    more become empty bodies, once all answers are landed. Raises ``Rejected`` where a page is the one before
    it again.
    """
    keys: set[str] = set()
    new, before = 0, NOTHING
    for page in _one_at_a_time(provider.pages(ask, want)):
        place = Place(want.window, want.slice, page.name, page.suffix or provider.suffix)
        key = contract.prefix + place.path
        if key in keys:
            raise Fatal(f"{provider.title} gave two pages of {place.folder} the name {page.name}")
        keys.add(key)
        about = _about(provider, want, page)
        if provider.volatile:
            about["records_sha256"] = _records_digest(contract, place, key, page)
        content = about.get("records_sha256") or page.answer.sha256
        if content == before != NOTHING and page.name.startswith("page-"):
            raise Rejected(f"{provider.title} sends the page before {page.name} again: it would never end")
        before = content
        new += _land_page(store, contract.bucket, key, page, about)
    beside = contract.prefix + folder(want.window, want.slice)
    for key in list(_surplus(store, contract.bucket, beside, keys)):
        new += _empty(store, contract.bucket, key, provider, want)
    return Landed(len(keys), new)


def _one_at_a_time(pages: Iterator[Page]) -> Iterator[Page]:
    """The pages; the file of one goes when its provider, which may look at it to go on, has made the next."""
    last: Path | None = None
    for page in pages:
        if last is not None:
            last.unlink(missing_ok=True)
        yield page
        last = page.answer.body


def manifest_key(key: str) -> str:
    """Where the manifest of a landed body lies, in the same bucket."""
    return f"{MANIFESTS}{key}.json"


def _land_page(store: ObjectStore, bucket: str, key: str, page: Page, about: dict[str, Any]) -> bool:
    """Put a page with its manifest, unless that content is there; whether it was put."""
    if _is_there(store, bucket, key, about):
        return False
    stored = store.put_file(bucket, key, page.answer.body)
    about |= {"key": key, "etag": stored.etag}
    store.put_bytes(bucket, manifest_key(key), json.dumps(about, indent=1, default=str).encode())
    return True


def _is_there(store: ObjectStore, bucket: str, key: str, about: Mapping[str, Any]) -> bool:
    """Whether the object is the one that its manifest is about, and has this content."""
    try:
        manifest = json.loads(store.read(bucket, manifest_key(key)))
        same = manifest["sha256"] == about["sha256"] or (
            about.get("records_sha256") is not None
            and about["records_sha256"] == manifest.get("records_sha256")
        )
        return bool(same and store.stat(bucket, key).etag == manifest["etag"])
    except (ObjectChanged, ValueError, KeyError):  # one of them is missing, or no manifest of ours
        return False


def _records_digest(contract: Contract, place: Place, key: str, page: Page) -> str | None:
    """SHA-256 of the records that the road will find in a body; None for one that it will refuse."""
    digest = hashlib.sha256()
    with page.answer.open() as body:
        lines = RecordLines(contract, place, key, body)
        try:
            while block := lines.read(MIB):
                digest.update(block)
        except DataError:
            return None
    return digest.hexdigest()


def _surplus(store: ObjectStore, bucket: str, beside: str, keys: set[str]) -> Iterator[str]:
    """Keys of pages that an earlier fetch of the same slice had; not those of finer slices below it."""
    for stored in store.listing(bucket, beside):
        if stored.key not in keys and "/" not in stored.key.removeprefix(beside):
            yield stored.key


def _empty(store: ObjectStore, bucket: str, key: str, provider: Provider, want: Want) -> bool:
    """In the place of a page that is no longer: an answer without records; whether it was put."""
    if _is_there(store, bucket, key, {"sha256": NOTHING}):
        return False
    with tempfile.NamedTemporaryFile(suffix=".gz") as file:
        file.write(gzip.compress(b"", mtime=0))
        file.flush()
        stored = store.put_file(bucket, key, Path(file.name))
    about = _asked(provider, want) | {
        "note": "the provider has no such page any more: this body is empty and not its own",
        "fetched_at": datetime.now(UTC).isoformat(),
        "sha256": NOTHING,
        "size": 0,
        "key": key,
        "etag": stored.etag,
    }
    store.put_bytes(bucket, manifest_key(key), json.dumps(about, indent=1).encode())
    return True


def _about(provider: Provider, want: Want, page: Page) -> dict[str, Any]:
    answer = page.answer
    return _asked(provider, want) | {
        "page": page.name,
        "request": {
            "method": answer.call.method,
            "host": answer.call.host,
            "path": answer.call.path,
            "params": dict(answer.call.params),
            "json": answer.call.json,
        },
        "status": answer.status,
        "headers": {name: text for name, text in answer.headers.items() if name in HEADERS},
        "fetched_at": answer.fetched_at.isoformat(),
        "sha256": answer.sha256,
        "size": answer.size,
    }


def _asked(provider: Provider, want: Want) -> dict[str, Any]:
    return {
        "provider": provider.name,
        "endpoint": want.source.endpoint,
        "interval": {"start": want.window.start.isoformat(), "end": want.window.end.isoformat()},
        "slice": dict(want.slice),
    }
