"""docker-compose.yml: valid, pinned, without secrets, and running what the embedded stack runs."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from headgate.settings import Settings
from headgate.stack import airflow_services, consumers, postgres, rabbitmq

CHECKOUT = Path(__file__).resolve().parents[2]
ONE_SHOT = {"prepare", "airflow-init"}
STREAM = f"consumer-{consumers.STREAM}"
CONSUMERS = {f"consumer-{kind}" for kind in consumers.INSTANCES} | {STREAM}
VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)(:\?[^}]*)?\}")


@pytest.fixture(scope="module")
def text() -> str:
    return (CHECKOUT / "docker-compose.yml").read_text()


@pytest.fixture(scope="module")
def compose(text: str) -> dict[str, Any]:
    return dict(yaml.safe_load(text))


@pytest.fixture(scope="module")
def services(compose: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return dict(compose["services"])


def test_is_valid_by_the_compose_specification(compose: dict[str, Any]) -> None:
    schema = json.loads((CHECKOUT / "tests" / "data" / "compose-spec.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(compose)


def test_schema_would_refuse_a_mistake(compose: dict[str, Any]) -> None:
    schema = json.loads((CHECKOUT / "tests" / "data" / "compose-spec.json").read_text())
    wrong = {**compose, "services": {**compose["services"], "s3": {"imag": "x"}}}
    with pytest.raises(jsonschema.ValidationError, match="imag"):
        jsonschema.Draft202012Validator(schema).validate(wrong)


def test_runs_postgres_with_the_same_settings(services: dict[str, dict[str, Any]]) -> None:
    start = ["sh", "/usr/local/bin/start-postgres.sh"]
    assert services["postgres"]["command"] == [*start, *postgres.options(postgres.TUNING)]


@pytest.mark.parametrize("limit", ["max", str(6 << 30), str(1 << 30), str(1 << 50)])
def test_sizes_postgres_by_the_machine_in_the_same_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    """The image's own start stands in for itself with a program that prints its arguments."""
    (tmp_path / "memory.max").write_text(limit + "\n")
    monkeypatch.setattr(postgres, "CGROUP_LIMIT", tmp_path / "memory.max")
    entry = tmp_path / "docker-entrypoint.sh"
    entry.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    entry.chmod(0o755)
    variables = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "CGROUP_LIMIT": str(tmp_path / "memory.max"),
        "DATA_VOLUME": str(tmp_path),
    }
    start = ["sh", str(CHECKOUT / "deploy" / "start-postgres.sh"), "-c", "jit=off"]
    started = subprocess.run(start, env=variables, check=True, capture_output=True, text=True)
    sizes = postgres.sizes(postgres.memory_here(), postgres.disk_of(tmp_path))
    assert started.stdout.split() == ["postgres", *postgres.options(sizes), "-c", "jit=off"]


@given(memory=st.integers(0, 1 << 24), disk=st.integers(0, 1 << 34))
def test_sizes_stay_between_their_bounds(memory: int, disk: int) -> None:
    sizes = {name: int(size.removesuffix("MB")) for name, size in postgres.sizes(memory, disk).items()}
    assert 128 <= sizes["shared_buffers"] <= 2048
    assert 256 <= sizes["min_wal_size"] <= sizes["max_wal_size"] <= 16384


def test_runs_the_same_airflow_services(services: dict[str, dict[str, Any]]) -> None:
    airflow = [*airflow_services.COMMAND[1:]]
    commands = {name: services[name]["command"] for name in airflow_services.SERVICES}
    assert commands == {
        name: ["python", *airflow, *arguments] for name, arguments in airflow_services.SERVICES.items()
    }
    assert f"python {' '.join(airflow)} db migrate" in services["airflow-init"]["command"][-1]


def test_tunes_airflow_alike(services: dict[str, dict[str, Any]]) -> None:
    tuning = {name: value for name, value in airflow_services.TUNING.items() if name != "SPT_NOENV"}
    for name in airflow_services.SERVICES:
        assert tuning.items() <= services[name]["environment"].items()


def test_runs_the_same_consumers(services: dict[str, dict[str, Any]]) -> None:
    for kind, instances in consumers.INSTANCES.items():
        service = services[f"consumer-{kind}"]
        assert service["command"] == [consumers.PROGRAM, kind]
        assert service.get("deploy", {}).get("replicas", 1) == instances
        assert set(consumers.SETTINGS) <= set(service["environment"])
    assert {name for name in services if name.startswith("consumer-")} == CONSUMERS


def test_follows_the_live_stream_only_when_somebody_says_so(services: dict[str, dict[str, Any]]) -> None:
    stream = services[STREAM]
    assert stream["command"] == [consumers.PROGRAM, consumers.STREAM]
    assert stream["profiles"] == ["stream"]
    assert stream["image"] == services["airflow-scheduler"]["image"], "the consumers' own has no Arrow"
    assert set(consumers.STREAM_SETTINGS) <= set(stream["environment"])
    assert {name for name, service in services.items() if "profiles" in service} == {STREAM}


def test_only_those_who_ask_providers_have_the_logins_of_sources(services: dict[str, dict[str, Any]]) -> None:
    files = {name: service["env_file"] for name, service in services.items() if "env_file" in service}
    asking = {name for name, found in files.items() if {"path": "sources.env", "required": False} in found}
    assert asking == {"airflow-scheduler", STREAM}
    ignored = (CHECKOUT / ".gitignore").read_text().splitlines()
    assert {file["path"] for found in files.values() for file in found} <= set(ignored)


def test_tunes_rabbitmq_alike() -> None:
    assert (CHECKOUT / "deploy" / "rabbitmq" / "20-headgate.conf").read_text() == rabbitmq.TUNING


def test_pins_every_image(services: dict[str, dict[str, Any]]) -> None:
    tags = {name: service["image"].partition(":")[2] for name, service in services.items()}
    assert all(re.search(r"\d+\.\d+|RELEASE\.\d{4}", tag) for tag in tags.values()), tags


def test_starts_in_order_of_health(services: dict[str, dict[str, Any]]) -> None:
    for name, service in services.items():
        for needed, how in service.get("depends_on", {}).items():
            expected = "service_completed_successfully" if needed in ONE_SHOT else "service_healthy"
            assert how["condition"] == expected, (name, needed)
            assert needed in ONE_SHOT or "healthcheck" in services[needed], needed


def test_checks_the_health_of_every_server(services: dict[str, dict[str, Any]]) -> None:
    without = {name for name, service in services.items() if "healthcheck" not in service}
    assert without == ONE_SHOT | CONSUMERS


def test_holds_no_secret(services: dict[str, dict[str, Any]]) -> None:
    for name, service in services.items():
        for variable, value in service.get("environment", {}).items():
            if re.search(r"PASSWORD$|_PASS$|SECRET|_KEY$|_CONN|_URL$", variable) and "://" not in str(value):
                assert VARIABLE.search(str(value)), (name, variable)
            for user_info in re.findall(r"://([^@/]+)@", str(value)):
                assert VARIABLE.search(user_info), (name, variable)


def test_refuses_to_start_without_a_secret(text: str) -> None:
    assert all(guard for _, guard in VARIABLE.findall(text))


def test_example_of_env_names_every_secret_and_has_none(text: str) -> None:
    lines = (CHECKOUT / ".env.example").read_text().splitlines()
    named = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    assert set(named) == {variable for variable, _ in VARIABLE.findall(text)}
    assert not any(named.values())


def test_sets_only_settings_that_exist(services: dict[str, dict[str, Any]]) -> None:
    known = {f"HEADGATE_{field.upper()}" for field in Settings.model_fields}
    for name in (*airflow_services.SERVICES, "prepare", *CONSUMERS):
        used = {variable for variable in services[name]["environment"] if variable.startswith("HEADGATE_")}
        assert used <= known, name
