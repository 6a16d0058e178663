"""What `contract check` tells of a source, before anybody is asked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from headgate.contract import Source, load_contract
from headgate.contract.check import contract_problems
from headgate.paths import datasets_dir
from headgate.sources.catalogue import provider

FILES = sorted(datasets_dir().glob("*.yaml"))
UTC = {"parameters": {"time-standard": "UTC"}}


def mistakes(name: str, endpoint: str, *each: str, value: str = "5.1,62.2", **terms: Any) -> list[str]:
    source = Source(name, endpoint, each=dict.fromkeys(each, (value,)), **terms)
    return list(provider(name).mistakes(source))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_contracts_of_the_project_have_none(file: Path) -> None:
    assert contract_problems(load_contract(file)) == []


@pytest.mark.parametrize(
    ("name", "endpoint", "each", "terms"),
    [
        ("barentswatch", "wave_forecast", ("point",), {}),
        ("barentswatch", "sea_current", ("point",), {}),
        ("barentswatch", "zones", ("layer",), {}),
        ("barentswatch_ais", "tracks", ("mmsi",), {}),
        ("climatedata", "generate-charts", ("dataset_name", "month", "point", "variable"), {}),
        ("nasa_power", "daily/point", ("community",), {}),
        ("nasa_power", "hourly/point", ("community",), UTC),
        ("ncei", "data", ("dataset",), {}),
        ("noaa_cdo", "data", ("datasetid",), {}),
    ],
)
def test_what_no_answer_says_must_stand_under_each(
    name: str, endpoint: str, each: tuple[str, ...], terms: dict[str, Any]
) -> None:
    assert mistakes(name, endpoint, *each, **terms) == []
    for missing in each:
        rest = [one for one in each if one != missing]
        (told,) = mistakes(name, endpoint, *rest, **terms)
        assert told == f"{name} {endpoint} needs `{missing}` under `each`, as no answer says it"


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("barentswatch", "fish_health, lice_export"),
        ("barentswatch_ais", "latest, "),
        ("climatedata", "generate-charts"),
        ("nasa_cmr", "granules.umm_json, granules.json, granules.stac"),
        ("nasa_power", "daily/point, daily/regional, hourly/point"),
        ("ncei", "data"),
        ("noaa_cdo", "data, datacategories"),
    ],
)
def test_an_unknown_endpoint_is_named_with_those_that_there_are(name: str, known: str) -> None:
    told = mistakes(name, "fishes")[0]
    assert told.startswith(f"{name} has no endpoint 'fishes' here; known are {known}")


def test_what_else_cannot_be_asked_for() -> None:
    (hours,) = mistakes("nasa_power", "hourly/point", "community")
    assert "`time-standard: UTC`" in hours
    (order,) = mistakes("geomet", "climate-daily", "CLIMATE_IDENTIFIER", window="month")
    assert "parameter sortby" in order
    assert mistakes("geomet", "swob-realtime/items/a") == []
    for window in ("hour", "interval"):
        (days,) = mistakes("globe", "land_covers", window=window)
        assert "whole days" in days


@pytest.mark.parametrize("point", ["62.25,5.10", "5.10;62.25", "5.10", "5.10,62.25,0"])
def test_a_point_that_is_turned_round_is_told(point: str) -> None:
    (told,) = mistakes("barentswatch", "sea_current", "point", value=point)
    assert told == f"point {point!r} is not longitude,latitude of a place in Norwegian waters"


def test_the_check_tells_them_with_the_rest() -> None:
    contract = load_contract(datasets_dir() / "wave_forecast.yaml")
    source = contract.source
    assert source is not None
    without = replace(contract, source=replace(source, each={}))
    assert contract_problems(without) == [
        "source: barentswatch wave_forecast needs `point` under `each`, as no answer says it"
    ]
