"""The passwords and keys of a stack: random, made once, readable by its user only."""

from __future__ import annotations

import base64
import json
import os
from dataclasses import asdict, dataclass, field, fields
from secrets import token_hex

from headgate.stack.layout import Layout, write_private


def password() -> str:
    """128 random bits in characters that need no quoting anywhere."""
    return token_hex(16)


def fernet_key() -> str:
    """A key for Airflow's encryption of connections."""
    return base64.urlsafe_b64encode(os.urandom(32)).decode()


def long_key() -> str:
    """64 bytes: what HS512 asks for."""
    return token_hex(32)


@dataclass(frozen=True)
class Secrets:
    """Every secret of one stack."""

    postgres: str = field(default_factory=password)
    headgate_owner: str = field(default_factory=password)
    headgate_loader: str = field(default_factory=password)
    headgate_pipeline: str = field(default_factory=password)
    headgate_reader: str = field(default_factory=password)
    airflow_database: str = field(default_factory=password)
    rabbitmq: str = field(default_factory=password)
    s3_access_key: str = field(default_factory=password)
    s3_secret_key: str = field(default_factory=password)
    airflow_admin: str = field(default_factory=password)
    airflow_jwt: str = field(default_factory=long_key)
    airflow_api: str = field(default_factory=password)
    airflow_fernet: str = field(default_factory=fernet_key)

    @property
    def roles(self) -> dict[str, str]:
        """Password of each database role of Headgate."""
        names = ("headgate_owner", "headgate_loader", "headgate_pipeline", "headgate_reader")
        return {name: getattr(self, name) for name in names}


def load_or_make(layout: Layout) -> Secrets:
    """The kept secrets, with a new one for each that is missing."""
    try:
        kept = json.loads(layout.secrets_file.read_text())
    except FileNotFoundError:
        kept = {}
    known = {f.name for f in fields(Secrets)}
    secrets = Secrets(**{name: value for name, value in kept.items() if name in known})
    if asdict(secrets) != kept:
        write_private(layout.secrets_file, json.dumps(asdict(secrets), indent=2) + "\n")
    return secrets
