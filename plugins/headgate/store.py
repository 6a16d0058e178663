"""The object store: landing and staging buckets on any S3-compatible server.

Errors are classed here, once, by HTTP status (servers label their XML differently, so the
client library's own error types tell less): 404 of a bucket is ``Fatal``, 401/403 ``AccessRefused``, a
vanished or rewritten object is ``ObjectChanged`` (a ``DataError``), everything that waiting can
mend is ``Retriable``. Reads never trust the server to honour ``If-Match`` (some ignore it): the
ETag of every answer is compared with the one that was scanned.
"""

from __future__ import annotations

import hashlib
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar
from urllib.parse import urlsplit

import structlog

from headgate.errors import AccessRefused, DataError, Fatal, HeadgateError, Retriable
from headgate.listing import Page, StoredObject, read_page
from headgate.patience import REFUSED_PATIENCE, Pauses

if TYPE_CHECKING:
    from minio import Minio

    from headgate.settings import Settings

log = structlog.get_logger("headgate.store")

PART_BYTES = 16 * 1024 * 1024  # of a multipart upload; one part is in memory at a time
CONNECT_SECONDS = 5.0
READ_SECONDS = 120.0  # some servers hash a whole object before they answer the first request for it
VANISHED_SECONDS = 60.0  # a store that does not even acknowledge packets has vanished
PAGE = 1000  # objects a listing asks for at once
SLOW_PAGE = 0.5  # seconds: the store goes through everything below the prefix for each page
FEW_FOLDERS = 20  # of a page: so many times more requests, at most, to list one after the other
T = TypeVar("T")


class ObjectChanged(DataError):
    """The object is not the one that was scanned: ``rule`` is ``rewritten`` or ``vanished``."""

    def __init__(self, rule: str, message: str) -> None:
        super().__init__(message)
        self.rule = rule


class ObjectStore:
    """Listing, reading and writing objects. ``patience``: seconds that one call waits out an outage.

    Keys that are refused are ``AccessRefused`` at once; with ``reread``, which gives the settings as they
    are by then, a call waits for others.
    """

    def __init__(
        self,
        endpoint: str,
        access_key: str,
        secret_key: str,
        region: str,
        *,
        patience: float = 60.0,
        reread: Callable[[], Settings] | None = None,
    ) -> None:
        self.endpoint = endpoint
        self.patience = patience
        self._access_key, self._secret_key, self._region = access_key, secret_key, region
        self._reread = reread

    @classmethod
    def from_settings(
        cls, settings: Settings, *, patience: float = 60.0, reread: Callable[[], Settings] | None = None
    ) -> ObjectStore:
        """The store that the settings name; ``Fatal`` when one of them is missing."""
        return cls(
            settings.require("s3_endpoint"),
            settings.require("s3_access_key"),
            settings.require("s3_secret_key"),
            settings.s3_region,
            patience=patience,
            reread=reread,
        )

    @cached_property
    def client(self) -> Minio:
        """The client library's object, with short time-outs and no retries of its own: they happen here."""
        import certifi
        import urllib3
        from minio import Minio

        from headgate.transport import pool_manager

        parts = urlsplit(self.endpoint)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise Fatal(f"HEADGATE_S3_ENDPOINT must look like http(s)://host:port, not {self.endpoint!r}")
        pool = pool_manager(
            timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS),
            retries=False,
            maxsize=4,
            socket_options=_socket_options(VANISHED_SECONDS),
            ca_certs=certifi.where(),
        )
        return Minio(
            parts.netloc,
            self._access_key,
            self._secret_key,
            secure=parts.scheme == "https",
            region=self._region,
            http_client=pool,
        )

    def listing(self, bucket: str, prefix: str = "", *, after: str = "") -> Iterator[StoredObject]:
        """Every object under ``prefix`` and behind ``after``, page by page. Folder markers are left out.

        In the order of their keys, but where the store is slow to list many: then it is asked for one folder
        after the other.
        """
        begin = {"start-after": after} if after else {}
        for page, seconds in self._pages(bucket, prefix, begin):
            yield from _files(page, after)
            if page.more and seconds > SLOW_PAGE and _in_few_folders(page, prefix):
                yield from self._by_folder(bucket, prefix, page.last)
                return

    def _by_folder(self, bucket: str, prefix: str, after: str) -> Iterator[StoredObject]:
        """The rest of a listing. Keeps the names of its folders, which are fewer than a page holds."""
        folders: set[str] = set()
        listed = ""  # of the objects that lie in no folder
        for page, _ in self._pages(bucket, prefix, {"delimiter": "/"}):
            if len(page.folders) == PAGE:
                rest = self._one_by_one(bucket, prefix, after)
                yield from (found for found in rest if found.key > listed or "/" in found.key[len(prefix) :])
                return
            for found in _files(page, after):
                yield found
                listed = found.key
            folders.update(page.folders)
        for folder in sorted(folders):
            if folder > after or after.startswith(folder):
                yield from self.listing(bucket, folder, after=after if after.startswith(folder) else "")

    def _one_by_one(self, bucket: str, prefix: str, after: str) -> Iterator[StoredObject]:
        """The rest of a listing, however slow."""
        for page, _ in self._pages(bucket, prefix, {"start-after": after}):
            yield from _files(page, after)

    def _pages(self, bucket: str, prefix: str, asked: dict[str, str]) -> Iterator[tuple[Page, float]]:
        """Pages of a listing, with the seconds that each took."""
        query = {"list-type": "2", "delimiter": "", "max-keys": str(PAGE), "prefix": prefix}
        query |= {"encoding-type": "url", **asked}
        while True:
            started = time.monotonic()
            page = self._call(lambda: self._page(bucket, query), bucket)  # noqa: B023
            yield page, time.monotonic() - started
            if not page.more:
                return
            query = {name: value for name, value in query.items() if name != "start-after"} | page.next

    def _page(self, bucket: str, query: dict[str, str]) -> Page:
        return read_page(bucket, self.client._execute("GET", bucket, query_params=dict(query)).data)

    def stat(self, bucket: str, key: str) -> StoredObject:
        """The object as it is now; ``ObjectChanged("vanished")`` when there is none."""
        return _stored(bucket, self._call(lambda: self.client.stat_object(bucket, key), bucket, key))

    def find(self, bucket: str, key: str) -> StoredObject | None:
        """The object as it is now, or None."""
        try:
            return self.stat(bucket, key)
        except ObjectChanged:
            return None

    def bucket_exists(self, bucket: str) -> bool:
        """Whether the bucket is there and these credentials may see it."""
        return bool(self._call(lambda: self.client.bucket_exists(bucket), bucket))

    def open(self, bucket: str, key: str, *, etag: str, size: int) -> ObjectReader:
        """The content from its first byte, as a stream that resumes after an outage."""
        return ObjectReader(self, bucket, key, etag, size)

    def read_range(
        self, bucket: str, key: str, offset: int, length: int, *, etag: str | None = None
    ) -> bytes:
        """``length`` bytes from ``offset``; ``etag`` None takes any version of the object."""
        if length == 0:
            return b""
        return self._call(lambda: self._read_once(bucket, key, offset, length, etag), bucket, key)

    def _read_once(self, bucket: str, key: str, offset: int, length: int, etag: str | None) -> bytes:
        with self._response(bucket, key, offset, length, etag) as response:
            body: bytes = response.read(decode_content=False)
        if len(body) != length:
            raise Retriable(f"{key}: the store sent {len(body)} of {length} bytes from offset {offset}")
        return body

    def read(self, bucket: str, key: str) -> bytes:
        """A whole small object (staged rejects, key hashes)."""
        return self._call(lambda: self._read_all(bucket, key), bucket, key)

    def _read_all(self, bucket: str, key: str) -> bytes:
        with self._response(bucket, key, 0, 0, None) as response:
            return bytes(response.read(decode_content=False))

    @contextmanager
    def _response(self, bucket: str, key: str, offset: int, length: int, etag: str | None) -> Iterator[Any]:
        response = self.client.get_object(bucket, key, offset=offset, length=length)
        try:
            if etag is not None:
                _expect_etag(response, key, etag)
            yield response
        finally:
            response.close()
            response.release_conn()

    def put_file(
        self, bucket: str, key: str, path: Path, *, progress: Callable[[int], None] | None = None
    ) -> StoredObject:
        """Upload a file in parts of 16 MiB; ``progress`` gets the bytes of each piece read."""

        def upload() -> None:
            with path.open("rb") as file:
                self.client.put_object(
                    bucket,
                    key,
                    _Counted(file, progress),  # type: ignore[arg-type]
                    path.stat().st_size,
                    part_size=PART_BYTES,
                    num_parallel_uploads=1,
                )

        self._call(upload, bucket, key)
        return self.stat(bucket, key)  # the ETag of a multipart answer is not always the stored one

    def put_bytes(
        self, bucket: str, key: str, body: bytes, metadata: Mapping[str, str] | None = None
    ) -> None:
        """Write an object; what was there under the key is replaced."""
        import io

        def upload() -> None:
            self.client.put_object(
                bucket, key, io.BytesIO(body), len(body), metadata=dict(metadata) if metadata else None
            )

        self._call(upload, bucket, key)

    def delete(self, bucket: str, key: str) -> None:
        """Remove an object; one that is not there is fine."""
        self._call(lambda: self.client.remove_object(bucket, key), bucket, key)

    def announce(self, bucket: str, target: str) -> None:
        """Have the store announce new objects to its target of this ARN; what else it announces stays."""
        from minio.notificationconfig import NotificationConfig, QueueConfig

        ours = QueueConfig(queue=target, events=["s3:ObjectCreated:*"], config_id="headgate")

        def add() -> None:
            now = self.client.get_bucket_notification(bucket_name=bucket)
            config = NotificationConfig(
                cloud_func_config_list=now.cloud_func_config_list,
                queue_config_list=[*(q for q in now.queue_config_list if q.queue != target), ours],
                topic_config_list=now.topic_config_list,
            )
            self.client.set_bucket_notification(bucket_name=bucket, config=config)

        self._call(add, bucket)

    def sha256(self, stored: StoredObject) -> str:
        """SHA-256 of the content, by reading it through."""
        digest = hashlib.sha256()
        with self.open(stored.bucket, stored.key, etag=stored.etag, size=stored.size) as reader:
            while piece := reader.read(1024 * 1024):
                digest.update(piece)
        return digest.hexdigest()

    def _call(self, action: Callable[[], T], bucket: str, key: str | None = None) -> T:
        """Do it; class its errors; while they are ``Retriable`` do it again until patience ends."""
        pauses = self.pauses()
        while True:
            try:
                return _classed(action, self.endpoint, bucket, key)
            except Retriable as error:
                self.wait(pauses, error)

    def pauses(self) -> Pauses:
        """The patience of one call."""
        return Pauses(self.patience, REFUSED_PATIENCE if self._reread else 0.0)

    def wait(self, pauses: Pauses, error: Retriable) -> None:
        """Wait before another attempt, with new keys where the old ones were refused, or raise the error."""
        if not pauses.wait(error):
            raise error
        log.warning("the store does not answer", reason=str(error))
        if isinstance(error, AccessRefused) and self._reread is not None:
            fresh = self._reread()
            self._access_key, self._secret_key = fresh.s3_access_key, fresh.s3_secret_key.get_secret_value()
            self.__dict__.pop("client", None)


class ObjectReader:
    """A forward-only binary stream over one object version.

    A broken connection is opened again at the byte where it broke. An answer with another ETag
    raises ``ObjectChanged("rewritten")``: half of one version and half of another is never read.
    """

    def __init__(self, store: ObjectStore, bucket: str, key: str, etag: str, size: int) -> None:
        self._store, self._bucket, self._key, self._etag, self._size = store, bucket, key, etag, size
        self._position = 0
        self._response: Any = None

    def __enter__(self) -> ObjectReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def readable(self) -> bool:
        """Always: it is a reader."""
        return True

    def tell(self) -> int:
        """Bytes handed out so far."""
        return self._position

    def read(self, size: int = -1) -> bytes:
        """Up to ``size`` bytes, exactly that many before the end; empty at the end."""
        left = self._size - self._position
        wanted = left if size is None or size < 0 else min(size, left)
        pieces: list[bytes] = []
        while wanted > 0:
            pieces.append(self._read_patiently(wanted))
            wanted -= len(pieces[-1])
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _read_patiently(self, wanted: int) -> bytes:
        pauses = self._store.pauses()
        while True:
            try:
                piece = _classed(
                    lambda: self._read_some(wanted), self._store.endpoint, self._bucket, self._key
                )
            except Retriable as error:
                self.close()
                self._store.wait(pauses, error)
                continue
            self._position += len(piece)
            return piece

    def _read_some(self, wanted: int) -> bytes:
        if self._response is None:
            self._response = self._open_at(self._position)
        # As stored, whatever Content-Encoding the object was put with: sizes and ranges are of those bytes.
        piece: bytes = self._response.read(wanted, decode_content=False)
        if not piece:
            raise Retriable(f"{self._key}: the store ended at byte {self._position} of {self._size}")
        return piece

    def _open_at(self, position: int) -> Any:
        response = self._store.client.get_object(self._bucket, self._key, offset=position)
        try:
            _expect_etag(response, self._key, self._etag)
            # Some answer a range with 200, so not the status. A whole object would be taken for its rest.
            if position and not response.headers.get("content-range", "").startswith(f"bytes {position}-"):
                raise Fatal(
                    f"the object store at {self._store.endpoint}, or a proxy before it, does not serve byte "
                    f"ranges: {self._key} cannot be read on from byte {position}."
                )
        except HeadgateError:
            response.close()
            raise
        return response

    def close(self) -> None:
        """Let go of the connection."""
        if self._response is not None:
            self._response.close()  # not released: what is unread of it would spoil the next request
            self._response = None


def _socket_options(vanished: float) -> list[tuple[int, int, int]]:
    """Probes, and an end after so many seconds without an acknowledgement, as far as the system can."""
    half = max(1, round(vanished / 2))
    wanted = {"TCP_KEEPIDLE": half, "TCP_KEEPINTVL": half, "TCP_USER_TIMEOUT": round(vanished * 1000)}
    tcp = socket.IPPROTO_TCP
    return [
        (tcp, socket.TCP_NODELAY, 1),
        (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
        *((tcp, getattr(socket, name), value) for name, value in wanted.items() if hasattr(socket, name)),
    ]


class _Counted:
    """A file that tells how much of it was read."""

    def __init__(self, file: BinaryIO, progress: Callable[[int], None] | None) -> None:
        self._file, self._progress = file, progress

    def read(self, size: int = -1) -> bytes:
        piece = self._file.read(size)
        if self._progress is not None:
            self._progress(len(piece))
        return piece


def _expect_etag(response: Any, key: str, scanned: str) -> None:
    found = response.headers.get("etag", "").strip('"')
    if found != scanned:
        raise _rewritten(key, f"ETag {scanned} then, {found or 'none'} now")


def _rewritten(key: str, how: str) -> ObjectChanged:
    return ObjectChanged(
        "rewritten",
        f"{key}: the object was rewritten after the scan ({how}); nothing of it was "
        "published. Run the dataset again: the new content is a new object version.",
    )


def _files(page: Page, after: str) -> Iterator[StoredObject]:
    """Without markers of folders. Some stores begin anew where what ``after`` names is gone."""
    return (found for found in page.objects if found.key > after and not found.key.endswith("/"))


def _in_few_folders(page: Page, prefix: str) -> bool:
    """Whether its objects lie in folders below the prefix, and in how many."""
    below = [found.key[len(prefix) :].partition("/") for found in page.objects]
    return any(slash for _, slash, _ in below) and len({name for name, _, _ in below}) <= FEW_FOLDERS


def _stored(bucket: str, entry: Any) -> StoredObject:
    version = getattr(entry, "version_id", None)
    return StoredObject(
        bucket=bucket,
        key=entry.object_name,
        etag=(entry.etag or "").strip('"'),
        size=int(entry.size or 0),
        last_modified=entry.last_modified,
        version_id=None if version in (None, "", "null") else version,
    )


def _classed(action: Callable[[], T], endpoint: str, bucket: str, key: str | None) -> T:
    """Run ``action``; the client library's errors come out as ours."""
    import urllib3
    from minio.error import InvalidResponseError, S3Error, ServerError

    try:
        return action()
    except S3Error as error:
        status, code, text = error.response.status, error.code or "", str(error.message)
    except InvalidResponseError as error:
        status, text = int(error._code), str(error._body)
        code = "NoSuchBucket" if "NoSuchBucket" in text else ""
    except ServerError as error:
        status, code, text = error.status_code, "", str(error)
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise Retriable(
            f"the object store at {endpoint} does not answer ({type(error).__name__}: {error})"
        ) from error
    raise _by_status(status, code, text, endpoint, bucket, key)


def _by_status(status: int, code: str, text: str, endpoint: str, bucket: str, key: str | None) -> Exception:
    where = bucket if key is None else f"{bucket}/{key}"
    if status == 404 and (key is None or code == "NoSuchBucket"):
        return Fatal(
            f"the bucket {bucket} does not exist at {endpoint}. Create it, or correct the bucket in the "
            "contract's server (landing) or HEADGATE_STAGING_BUCKET (staging)."
        )
    if status == 404:
        return ObjectChanged(
            "vanished",
            f"{key}: the object is gone from the bucket {bucket}: it was deleted after the scan. "
            "Put it back and run the dataset again.",
        )
    if status == 416:  # only ranges of scanned objects are asked for
        return _rewritten(key or bucket, "it is shorter now")
    if status in (401, 403):
        return AccessRefused(
            f"the object store at {endpoint} refused access to {where} (HTTP {status}). "
            "Check HEADGATE_S3_ACCESS_KEY and HEADGATE_S3_SECRET_KEY, and what that key may do."
        )
    if status >= 500 or status in (408, 409, 425, 429):
        return Retriable(f"the object store at {endpoint} answered HTTP {status} for {where}: {text[:200]}")
    return Fatal(f"the object store at {endpoint} refused {where} with HTTP {status}: {text[:300]}")
