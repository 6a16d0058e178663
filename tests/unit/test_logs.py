"""What logs say, and what they do not."""

from __future__ import annotations

import pytest
import structlog

from headgate.db import connect
from headgate.errors import Fatal
from headgate.logs import rendering, shared


@pytest.mark.parametrize("log_format", ["console", "json"])
def test_the_stack_of_an_error_tells_no_password(log_format: str, capsys: pytest.CaptureFixture[str]) -> None:
    log = structlog.wrap_logger(structlog.PrintLogger(), processors=[*shared(), *rendering(log_format)])
    url = "postgresql://me:s3cr3t@localhost/name?no such=parameter"
    try:
        connect(url)
    except Fatal as error:
        log.critical("stopped", exc_info=error)
    said = capsys.readouterr().out
    assert "Traceback" in said
    assert "s3cr3t" not in said
