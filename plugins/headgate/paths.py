"""Where the parts that are not Python live: beside the package in a checkout, inside it in the wheel."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
CHECKOUT = PACKAGE.parents[1]


def in_checkout() -> bool:
    """Whether this is a source tree (editable install) and not the wheel."""
    return (CHECKOUT / "pyproject.toml").is_file() and (CHECKOUT / "plugins" / "headgate") == PACKAGE


def project_dir() -> Path:
    """The folder that holds ``dags``, ``plugins``, ``expectations`` and ``sql``."""
    return CHECKOUT if in_checkout() else PACKAGE


def sql_dir() -> Path:
    """``migrations``, ``queries`` and ``views``."""
    return project_dir() / "sql"


def expectations_dir() -> Path:
    """The Great Expectations suites, one JSON file a dataset."""
    return project_dir() / "expectations"


def dags_dir() -> Path:
    """Airflow's DAG folder."""
    return project_dir() / "dags"


def datasets_dir() -> Path:
    """The data contracts, one YAML file a dataset."""
    return dags_dir() / "datasets"


def alerts_file() -> Path:
    """The routing of alerts that is used where nobody names another."""
    return project_dir() / "alerts.yaml"


def plugins_dir() -> Path:
    """Airflow's plugin folder."""
    return project_dir() / "plugins"
