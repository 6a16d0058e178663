"""A page of a bucket's listing, read from the answer of ListObjectsV2.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html
The client library takes five times as long for an object, most of it for fields that nobody asks for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import unquote_plus
from xml.etree import ElementTree

from headgate.errors import Retriable


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One object version as the store lists it. ``size`` in bytes, ``last_modified`` in UTC."""

    bucket: str
    key: str
    etag: str
    size: int
    last_modified: datetime
    version_id: str | None = None


@dataclass(frozen=True)
class Page:
    """What a page holds; folders only by a delimiter. ``token`` or ``last`` lead to the next one."""

    objects: list[StoredObject]
    folders: list[str]  # with their slash
    more: bool
    token: str | None
    last: str  # key or folder

    @property
    def next(self) -> dict[str, str]:
        """Parameters of the request for the next page."""
        return {"continuation-token": self.token} if self.token else {"start-after": self.last}


def read_page(bucket: str, body: bytes) -> Page:
    """The page; ``Retriable`` when the answer ends early.

    Keys come encoded as in a URL where the store does that on demand: XML has no form for control characters.
    """
    try:
        root = ElementTree.fromstring(body)  # noqa: S314  from the store that holds the data itself
    except ElementTree.ParseError as error:
        raise Retriable(f"the listing of {bucket} cannot be read: {error}") from None
    namespace = root.tag.removesuffix("ListBucketResult")
    plain = unquote_plus if root.findtext(f"{namespace}EncodingType") == "url" else str
    objects = [
        _object(bucket, {part.tag: part.text or "" for part in element}, namespace, plain)
        for element in root.iterfind(f"{namespace}Contents")
    ]
    prefixes = root.iterfind(f"{namespace}CommonPrefixes/{namespace}Prefix")
    folders = [plain(found.text or "") for found in prefixes]
    return Page(
        objects,
        folders,
        more=(root.findtext(f"{namespace}IsTruncated") or "").lower() == "true",
        token=root.findtext(f"{namespace}NextContinuationToken"),
        last=max([*(found.key for found in objects[-1:]), *folders[-1:]], default=""),
    )


def _object(bucket: str, found: dict[str, str], namespace: str, plain: Callable[[str], str]) -> StoredObject:
    return StoredObject(
        bucket=bucket,
        key=plain(found[f"{namespace}Key"]),
        etag=found.get(f"{namespace}ETag", "").strip('"'),
        size=int(found[f"{namespace}Size"]),
        last_modified=datetime.fromisoformat(found[f"{namespace}LastModified"]),
    )
