"""Which file of the embedded stack lies where under its home folder."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from headgate.errors import Fatal

# A unix socket's path must fit sockaddr_un (108 bytes with its end mark); some room for a suffix.
LONGEST_SOCKET_PATH = 95
SHORT_FOLDER = Path("/tmp")  # noqa: S108 - only folders of ours in it, checked for their owner


@dataclass(frozen=True)
class Layout:
    """Paths of one embedded stack. Two homes never share one."""

    home: Path

    @property
    def mark(self) -> str:
        """Short name of this home, for what is named in a space shared by the machine (nodes, sockets)."""
        return hashlib.sha256(str(self.home).encode()).hexdigest()[:10]

    @property
    def run(self) -> Path:
        return self.home / "run"

    @property
    def logs(self) -> Path:
        return self.home / "logs"

    @property
    def postgres(self) -> Path:
        return self.home / "postgres"

    @property
    def rabbitmq(self) -> Path:
        return self.home / "rabbitmq"

    @property
    def buckets(self) -> Path:
        return self.home / "s3"

    @property
    def airflow(self) -> Path:
        return self.home / "airflow"

    @property
    def ports_file(self) -> Path:
        return self.home / "ports.json"

    @property
    def secrets_file(self) -> Path:
        return self.home / "secrets.json"

    @property
    def settings_file(self) -> Path:
        return self.home / "headgate.env"

    @property
    def stubs_file(self) -> Path:
        """Addresses and logins of the stub providers; there while they are wanted."""
        return self.home / "stubs.env"

    @property
    def stream_file(self) -> Path:
        """There while the live stream is to be followed."""
        return self.home / "stream.wanted"

    @property
    def stamps_file(self) -> Path:
        return self.run / "stamps.json"

    @property
    def lock_file(self) -> Path:
        return self.run / "up.lock"

    @property
    def supervisor_config(self) -> Path:
        return self.run / "supervisord.conf"

    @property
    def supervisor_pid(self) -> Path:
        return self.run / "supervisord.pid"

    @property
    def socket(self) -> Path:
        """The supervisor's socket: in the home, or where its path is too long in a private folder."""
        near = self.run / "supervisor.sock"
        if len(os.fsencode(near)) <= LONGEST_SOCKET_PATH:
            return near
        return SHORT_FOLDER / f"headgate-{os.getuid()}-{self.mark}" / "supervisor.sock"

    def create(self) -> None:
        """Make the folders. Others may pass through the home (PostgreSQL as another user), not list it."""
        self.home.mkdir(parents=True, exist_ok=True)
        self.home.chmod(0o711)
        for folder in (self.run, self.logs, self.rabbitmq, self.buckets, self.airflow):
            folder.mkdir(mode=0o700, exist_ok=True)
        private_folder(self.socket.parent)


def private_folder(folder: Path) -> None:
    """Make ``folder`` for us alone; refuse one that someone else prepared (``Fatal``)."""
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if found.st_uid != os.getuid() or folder.is_symlink() or found.st_mode & 0o077:
        raise Fatal(f"{folder} belongs to somebody else or is open to others; remove it and start again")


def write_private(path: Path, text: str) -> None:
    """Write a file that only we can read, whole or not at all."""
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    draft.replace(path)
