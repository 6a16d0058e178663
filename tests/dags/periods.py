"""The time between two runs by cron expressions. Prints JSON: hours by expression, or the words for them."""

from __future__ import annotations

import json
import sys
from datetime import timedelta

from headgate.airflow_ext.schedule import period


def main(expressions: list[str]) -> None:
    found = {expression: period(expression) for expression in expressions}
    print(json.dumps({name: hours(length) for name, length in found.items()}))


def hours(length: object) -> float | str:
    return length / timedelta(hours=1) if isinstance(length, timedelta) else repr(length)


if __name__ == "__main__":
    main(sys.argv[1:])
