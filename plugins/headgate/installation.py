"""Make the servers that the settings name ready for work: control schema, contracts, buckets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from headgate import paths

if TYPE_CHECKING:
    from headgate.contract import Contract
    from headgate.settings import Settings

ROLE_URLS = ("owner_url", "database_url", "loader_url", "reader_url")


@dataclass(frozen=True)
class Prepared:
    """What was made: names of applied migrations and of new buckets, and all datasets in force."""

    migrations: tuple[str, ...]
    datasets: tuple[str, ...]
    buckets: tuple[str, ...]


def prepare(settings: Settings) -> Prepared:
    """Migrate the database, apply every contract, create missing buckets; harmless when done already.

    ``owner_url`` must connect as ``headgate_owner`` or as a role that may create roles; then the
    other roles get the passwords that stand in their URLs. Raises ``Fatal`` or ``Retriable``.
    """
    from headgate.contract import load_contracts
    from headgate.db import migrate

    migrations = migrate(settings.require("owner_url"), role_passwords(settings))
    contracts = load_contracts(paths.datasets_dir())
    apply_contracts(settings.require("owner_url"), contracts.values())
    landing = [contract.bucket for contract in contracts.values()]
    made = make_buckets(settings, [*landing, settings.staging_bucket])
    if settings.s3_notifications:
        announce_arrivals(settings, landing)
    return Prepared(tuple(migrations), tuple(contracts), tuple(made))


def role_passwords(settings: Settings) -> Mapping[str, str]:
    """Password by role, as the connection URLs name them."""
    urls = [urlsplit(settings.require(name)) for name in ROLE_URLS]
    return {unquote(url.username): unquote(url.password) for url in urls if url.username and url.password}


def apply_contracts(owner_url: str, contracts: Iterable[Contract]) -> None:
    from headgate.contract import apply_contract
    from headgate.db import connect

    with closing(connect(owner_url, application_name="headgate prepare")) as connection:
        for contract in contracts:
            apply_contract(connection, contract)


def announce_arrivals(settings: Settings, buckets: Iterable[str]) -> None:
    """Have the store announce new objects in these buckets by its AMQP target."""
    from headgate.store import ObjectStore

    store = ObjectStore.from_settings(settings)
    for bucket in dict.fromkeys(buckets):
        store.announce(bucket, settings.s3_notifications)


def make_buckets(settings: Settings, names: Iterable[str]) -> list[str]:
    """Create the buckets that are missing; their names."""
    from headgate.store import ObjectStore

    store = ObjectStore.from_settings(settings)
    missing = [name for name in dict.fromkeys(names) if not store.bucket_exists(name)]
    for name in missing:
        store.client.make_bucket(bucket_name=name)
    return missing
