"""Addresses of channels. They hold secrets, so that they may stand in a file or a variable instead."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, SecretStr, ValidationInfo, field_validator, model_validator

from headgate.errors import Fatal


class Address(BaseModel):
    """A URL, or where it is to be read from each time it is needed, so that it can be changed meanwhile."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: SecretStr | None = None
    url_file: Path | None = None
    url_env: str | None = None
    optional: bool = False  # where the file or the variable is absent, there is no such channel

    @field_validator("url_file")
    @classmethod
    def _beside_the_file(cls, path: Path | None, info: ValidationInfo) -> Path | None:
        return path and (info.context or {}).get("folder", Path()) / path

    @model_validator(mode="after")
    def _one(self) -> Address:
        if sum(value is not None for value in (self.url, self.url_file, self.url_env)) != 1:
            raise ValueError("give one of url, url_file, url_env")
        return self

    def read(self) -> str | None:
        """The URL; ``None`` when it is optional and absent, ``Fatal`` when it should be there."""
        if self.url is not None:
            return self.url.get_secret_value()
        place, text = self._looked_up()
        if text or self.optional:
            return text or None
        raise Fatal(f"{place} holds no URL")

    @property
    def is_there(self) -> bool:
        """False for an optional one that is absent; reading one that must be there may still fail."""
        return not self.optional or self.read() is not None

    def _looked_up(self) -> tuple[str, str]:
        if self.url_env is not None:
            return f"the variable {self.url_env}", os.environ.get(self.url_env, "").strip()
        assert self.url_file is not None
        try:
            return f"the file {self.url_file}", self.url_file.read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            return f"the file {self.url_file}", ""
        except OSError as error:
            raise Fatal(f"{self.url_file} cannot be read: {error.strerror}") from None


def parse_address(value: Any) -> Any:
    """A plain text is the URL itself."""
    return {"url": value} if isinstance(value, str) else value
