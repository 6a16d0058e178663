"""Headgate's settings: environment first, then the files of the embedded stack, then defaults.

Every setting is ``HEADGATE_<NAME>`` in the environment. A wrong one stops the process at
start with its name (``Fatal``). In Airflow tasks the connections ``headgate_postgres``,
``headgate_s3`` and ``headgate_rabbitmq`` fill what the environment leaves open. What runs on reads its
URLs anew at each connection (``current``), so that rotated credentials need no restart.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from headgate.errors import Fatal, Retriable

MIB = 1024 * 1024
Url = str | Callable[[], str]  # an address with its credentials, or what reads it anew


def default_home() -> Path:
    """``$HEADGATE_HOME``, else ``.headgate`` in the checkout, else in the working directory."""
    if named := os.environ.get("HEADGATE_HOME"):
        return Path(named).resolve()
    checkout = Path(__file__).resolve().parents[2]
    root = checkout if (checkout / "pyproject.toml").exists() else Path.cwd()
    return root / ".headgate"


class Settings(BaseSettings):
    """All settings. Sizes in bytes, times in seconds."""

    model_config = SettingsConfigDict(env_prefix="HEADGATE_", extra="ignore", frozen=True)

    home: Path = Field(default_factory=default_home, description="Where the embedded stack keeps its state")
    secrets_dir: Path | None = Field(
        None, description="Folder of files named like these variables, one for each secret; read last"
    )
    environment: str = Field("development", description="Name of this installation, shown in alerts")

    database_url: SecretStr = Field(
        SecretStr(""), description="Postgres as the pipeline role (tasks, command line)"
    )
    loader_url: SecretStr = Field(SecretStr(""), description="Postgres as the loader role (consumers)")
    owner_url: SecretStr = Field(
        SecretStr(""), description="Postgres as the owner (migrations, contract apply)"
    )
    reader_url: SecretStr = Field(SecretStr(""), description="Postgres as the reader role (headgate sql, UI)")

    amqp_url: SecretStr = Field(SecretStr(""), description="RabbitMQ, amqp://user:password@host:port/vhost")
    rabbitmq_api_url: SecretStr = Field(SecretStr(""), description="RabbitMQ management API with credentials")

    s3_endpoint: str = Field("", description="S3 endpoint, http(s)://host:port")
    s3_access_key: str = Field("", description="S3 access key")
    s3_secret_key: SecretStr = Field(SecretStr(""), description="S3 secret key")
    s3_region: str = Field("us-east-1", description="S3 region")
    staging_bucket: str = Field("headgate-staging", description="Bucket of accepted batches")

    arrival_seconds: float = Field(
        1.0, gt=0, description="Pause between two looks for new objects of a dataset that starts on arrival"
    )
    s3_notifications: str = Field(
        "",
        description="ARN of the store's AMQP target (arn:minio:sqs::HEADGATE:amqp) where it announces new "
        "objects; it is then asked once a minute only",
    )

    airflow_url: str = Field("", description="Airflow api-server, http(s)://host:port")
    airflow_user: str = Field("", description="Airflow user of the command line")
    airflow_password: SecretStr = Field(SecretStr(""), description="Its password")

    chunk_bytes: int = Field(
        16 * MIB, ge=4096, description="Target size of a chunk where the contract says nothing"
    )
    batch_bytes: int = Field(
        4 * MIB, ge=1024, description="Target size of a batch (one message) before compression"
    )
    max_record_bytes: int = Field(
        1 * MIB, ge=1024, description="Longest record; a longer one is a broken quote"
    )
    lanes: int = Field(
        2, ge=1, le=64, description="Mapped tasks a step at most; each imports Great Expectations once"
    )
    lane_bytes: int = Field(64 * MIB, ge=1, description="Bytes that make another lane worth its start-up")
    settle_timeout: float = Field(6 * 3600, gt=0, description="Longest wait for the receipts of a run")

    prefetch: int = Field(8, ge=1, description="Messages a consumer holds unacknowledged")
    transaction_bytes: int = Field(
        32 * MIB, ge=1, description="Decompressed bytes a consumer applies in one transaction"
    )
    idle_seconds: float = Field(
        0.05, gt=0, description="Quiet time after which a consumer applies what it has"
    )
    live_bytes: int = Field(
        4 * MIB, ge=1024, description="Bytes of a live stream that are read before they are booked"
    )
    live_seconds: float = Field(2.0, gt=0, description="Seconds after which they are booked, however few")
    live_overlap: float = Field(
        60.0, ge=0, description="Seconds of a live stream that are read again after a cut"
    )
    live_silence: float = Field(
        300.0, gt=0, description="Seconds without anything of a live stream after which people hear of it"
    )
    retry_delays: str = Field(
        "5 30 300 1800",
        pattern=r"^\d+(\.\d+)?( \d+(\.\d+)?)*$",
        description="Seconds before each retry of a message that failed; after the last it is parked",
    )
    alerts_file: str = Field(
        "", description="Who hears of which alert; else alerts.yaml in HEADGATE_HOME, else the shipped one"
    )
    watch_seconds: float = Field(
        30, gt=0, description="Pause between two looks at freshness, queues and parking"
    )
    watch_patience: float = Field(
        60, ge=0, description="Seconds that something must be wrong with a queue before people hear of it"
    )
    queue_messages: int = Field(
        10_000, ge=1, description="Messages that may wait in a queue, where the contract says nothing"
    )
    queue_seconds: float = Field(
        3600, gt=0, description="Seconds that a message may wait, where the contract says nothing"
    )
    queue_stalled_seconds: float = Field(
        300, gt=0, description="Seconds without any receipt after which a queue counts as stalled"
    )
    retention_receipts: int = Field(
        90, ge=0, description="Days that messages and receipts of loaded objects are kept; 0: for ever"
    )
    retention_staging: int = Field(
        14, ge=0, description="Days that staged bytes of objects that are done are kept; 0: for ever"
    )
    retention_errors: int = Field(90, ge=0, description="Days that settled errors are kept; 0: for ever")
    retention_alerts: int = Field(
        90, ge=0, description="Days that resolved alerts and sent notifications are kept; 0: for ever"
    )
    retention_events: int = Field(
        30, ge=0, description="Days that events are kept after everyone has them; 0: for ever"
    )

    source: dict[str, dict[str, SecretStr]] = Field(
        {},
        description="Addresses and credentials by provider (JSON), for example "
        '`{"noaa_cdo": {"token": "…"}}`; `HEADGATE_SOURCE_<PROVIDER>_TOKEN`, `…_CLIENT_ID`, '
        "`…_CLIENT_SECRET`, `…_URL` and `…_URL_<HOST>` go before",
    )
    sources_attempts: int = Field(
        4, ge=1, description="Times a provider is asked before a call counts as failed"
    )
    sources_backoff_seconds: float = Field(
        1.0,
        ge=0,
        description="First pause between them, where the provider names none; it doubles, with chance",
    )
    sources_wait_seconds: float = Field(
        60,
        ge=0,
        description="Longest wait for a provider's limit; a longer one ends the fetch until next time",
    )
    sources_breaker_failures: int = Field(
        5, ge=1, description="Failures of a provider in a row after which it is left alone"
    )
    sources_breaker_seconds: float = Field(
        60, gt=0, description="Time that it is left alone before one call tries it again"
    )

    log_format: str = Field(
        "auto", pattern="^(auto|json|console)$", description="json in services, console in a terminal"
    )
    log_level: str = Field("INFO", description="DEBUG, INFO, WARNING or ERROR")

    @field_validator("home", mode="before")
    @classmethod
    def _absolute(cls, value: Any) -> Path:
        return Path(value).resolve()

    def require(self, name: str) -> str:
        """The value of a connection setting; ``Fatal`` with the variable's name when it is not set."""
        value = getattr(self, name)
        text = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
        if not text:
            raise Fatal(
                f"HEADGATE_{name.upper()} is not set. Start the embedded stack with `headgate up`, "
                "or point the variable at your own server."
            )
        return text


def settings_files() -> tuple[Path, ...]:
    """What the embedded stack writes and users add to; a later file wins, the environment over all."""
    return tuple(default_home() / name for name in ("headgate.env", "stubs.env"))


@cache
def settings() -> Settings:
    """The settings of this process, read once."""
    return read_settings()


def read_settings() -> Settings:
    """The settings as they are now. ``Fatal`` names each that is wrong."""
    try:
        return Settings(
            _env_file=settings_files(),
            _secrets_dir=os.environ.get("HEADGATE_SECRETS_DIR") or None,
        )
    except ValidationError as error:
        lines = [f"HEADGATE_{'_'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in error.errors()]
        raise Fatal("wrong settings: " + "; ".join(lines)) from None


def current(name: str, read: Callable[[], Settings] = read_settings) -> Callable[[], str]:
    """What reads a connection setting anew; ``Retriable`` when it cannot be read just now."""

    def value() -> str:
        try:
            return read().require(name)
        except Fatal as error:
            raise Retriable(str(error)) from error

    return value


def url_of(url: Url) -> str:
    """The address to connect with now."""
    return url() if callable(url) else url
