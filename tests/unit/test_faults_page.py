"""The page of the drills names them all."""

from __future__ import annotations

from pathlib import Path

from tests.faults.drill import markdown

PAGE = Path(__file__).resolve().parents[2] / "docs" / "faults.md"


def test_the_table_of_drills_is_the_generated_one() -> None:
    assert PAGE.read_text(encoding="utf-8").endswith("-->\n" + markdown()), (
        "write it anew: python -m tests.faults --markdown"
    )
