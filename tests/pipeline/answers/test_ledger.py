"""The ledger: parts add up to the whole, sigma does not, and every row keeps the schema."""

import json

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import query_stores as stores

from pipeline.answers import query
from pipeline.answers.ledger import COLUMNS, SCHEMA, ledger, schema, write_ledger
from pipeline.errors import ConfigError, InputError


@pytest.fixture(scope="module")
def table(store):
    return ledger(store, "box", "2024-07", freq="day")


def test_there_is_one_row_for_each_region_sector_and_period(table):
    assert tuple(table.columns) == tuple(name for name, *_ in COLUMNS)
    assert not table.duplicated(["region", "sector", "start"]).any()
    # three regions, two sectors and net, two days of which the first has six hours
    assert len(table) == 3 * 3 * 2
    assert sorted(set(table["hours"])) == [6, 24]
    assert sorted(set(table["hours_missing"])) == [0, 18]
    assert set(table["start"]) == {"2024-07-14T00:00:00Z", "2024-07-15T00:00:00Z"}


def test_totals_add_up_over_regions_and_sectors_and_emission_and_uptake_are_net(table):
    wide = table.set_index(["start", "sector", "region"])
    for name in ("emission", "uptake", "net", "prior"):
        parts = wide[name].unstack("region")
        scale = wide["emission"].abs().max()
        np.testing.assert_allclose(parts["EAST"] + parts["WEST"], parts["ALL"], atol=1e-9 * scale, rtol=1e-9)
        sectors = wide[name].unstack("sector")
        np.testing.assert_allclose(sectors["anthropogenic"] + sectors["biosphere"], sectors["net"], atol=1e-9 * scale)
    np.testing.assert_allclose(table["emission"] + table["uptake"], table["net"], rtol=1e-12)
    assert (table["emission"] >= 0).all()
    # fields keep twelve bits of the mantissa, totals all
    assert (table["uptake"] <= 2.0**-12 * table["emission"].max()).all()


def test_sigma_is_that_of_the_region_and_not_of_its_parts(table, store):
    wide = table[table["sector"] == "net"].set_index(["start", "region"])["sigma"].unstack("region")
    squares = np.hypot(wide["EAST"], wide["WEST"])
    assert (np.abs(wide["ALL"] / squares - 1) > 1e-3).all()
    answer = query(store, "ALL", "2024-07-15", sector="net")
    assert wide.loc["2024-07-15T00:00:00Z", "ALL"] == pytest.approx(float(answer["posterior_std"].item()), rel=1e-12)


def test_emission_is_what_cells_give_off_in_the_whole_period(run, table):
    # of one sector in the whole grid, from the fields of the run
    flux = run.result["flux_posterior"].sel(sector="biosphere", time=slice("2024-07-15T00", "2024-07-15T23"))
    from pipeline.grid import Grid

    cells = flux.values.astype(float).sum(axis=0) * Grid.from_dataset(run.result).area * stores.TONNES
    row = table[(table.region == "ALL") & (table.sector == "biosphere") & (table.start == "2024-07-15T00:00:00Z")]
    assert row["emission"].item() == pytest.approx(cells[cells > 0].sum(), rel=1e-3)
    assert row["uptake"].item() == pytest.approx(cells[cells < 0].sum(), rel=1e-3)


def test_rows_keep_the_schema_in_every_format(table, tmp_path):
    told = schema()
    assert told["items"]["required"] == list(table.columns)
    kinds = {"string": str, "number": float, "integer": int}
    for ending in ("json", "csv", "parquet"):
        write_ledger(table, tmp_path / f"ledger.{ending}")
    rows = json.loads((tmp_path / "ledger.json").read_text(encoding="utf-8"))
    for row in rows:
        assert list(row) == told["items"]["required"]
        assert row["schema"] == SCHEMA
        for name, value in row.items():
            assert isinstance(value, kinds[told["items"]["properties"][name]["type"]]), name
    found = pq.read_table(tmp_path / "ledger.parquet")
    assert json.loads(found.schema.metadata[b"json_schema"]) == told
    assert found.schema.field("net").metadata[b"unit"] == b"t"
    np.testing.assert_array_equal(found["net"].to_numpy(), table["net"])
    assert pd.read_csv(tmp_path / "ledger.csv", keep_default_na=False)["level"].tolist() == table["level"].tolist()


def test_status_is_the_least_final_of_the_hours(run, tmp_path):
    from pipeline.grid import HourVersion
    from pipeline.service import product

    store = stores.hours_of(run, tmp_path)
    hour = np.datetime64("2024-07-15T05", "h")
    facts = {"status": "P1", "condition": "degraded", "key": "new", "counts": {"city": {"seen": 2, "used": 1}}}
    # the same numbers again are no version: other ones
    data = product.of_hour(run.result, hour)
    store.commit([HourVersion(hour, data.assign(flux_posterior=data["flux_posterior"] * 1.5), facts)], at=stores.AT)
    row = ledger(tmp_path / "store", "box", "2024-07-15", freq="month").iloc[0]
    assert (row["status"], row["revision"], row["hours_degraded"], row["observations"]) == ("P1", 2, 1, 47)
    assert row["end"] == "2024-07-16T00:00:00Z"


def test_a_bad_ledger_is_refused(store, tmp_path):
    with pytest.raises(InputError, match="level must be one of the store's"):
        ledger(store, "county")
    with pytest.raises(ConfigError, match=r"end it with \.parquet"):
        write_ledger(pd.DataFrame(), tmp_path / "a.txt")
