"""``python -m headgate.stack.probe URL PART``: health of a component of Airflow, for containers."""

from __future__ import annotations

import sys

from headgate.stack.health import airflow_part_answers

if __name__ == "__main__":
    _, base_url, part = sys.argv
    sys.exit(airflow_part_answers(base_url, part))
