"""Two answers beside each other: differences of totals and of maps, and what cannot be compared."""

import contextlib
import sys

import numpy as np
import pandas as pd
import pytest
import query_stores as stores

from pipeline import cli
from pipeline.answers import query
from pipeline.answers.compare import Operand, compare
from pipeline.errors import InputError


@pytest.mark.parametrize(
    ("text", "version", "which"),
    [
        ("a/b", None, "posterior"),
        ("a/b@R1", "R1", "posterior"),
        ("a/b#prior", None, "prior"),
        ("a@b/c@v#prior", "v", "prior"),
    ],
)
def test_an_operand_is_a_store_a_version_and_prior_or_posterior(text, version, which):
    found = Operand.of(text)
    assert (found.version, found.which) == (version, which)


def test_a_posterior_less_its_inventory_is_the_change(run):
    found = compare(Operand.of(f"{run.store}#prior"), Operand.of(str(run.store)), "2024-07-15", "box")
    answer = query(run.store, ["WEST", "EAST", "ALL"], "2024-07-15").isel(time=0)
    table = found.table.set_index(["region", "sector"])
    for region in answer["region"].values:
        for sector in answer["sector"].values:
            row, cell = table.loc[region, sector], answer.sel(region=region, sector=sector)
            change = float(cell["posterior"] - cell["prior"])
            assert row["difference"] == pytest.approx(change, rel=1e-9)
            assert row["sigmas"] == pytest.approx(
                change / float(np.hypot(cell["prior_std"], cell["posterior_std"])), rel=1e-9
            )
    fields = run.result.sel(time=slice("2024-07-15T00", "2024-07-15T23")).mean("time")
    told = (fields["flux_posterior"] - fields["flux_prior"]).sum("sector")
    np.testing.assert_allclose(found.maps["difference"].sel(sector="net"), told, atol=1e-5)


def test_a_store_and_itself_differ_by_nothing_and_two_kinds_of_store_by_rounding(run, hours):
    same = compare(Operand.of(str(hours)), Operand.of(str(hours)), "2024-07-15", "box")
    assert (same.table["difference"] == 0).all()
    assert float(np.abs(same.maps["difference"]).max()) == 0
    kinds = compare(Operand.of(str(run.store)), Operand.of(str(hours)), "2024-07-15", "box")
    assert (kinds.table["sigmas"].abs() < 1e-3).all()


def test_what_cannot_be_compared_is_refused(run, hours, tmp_path):
    gaps = stores.hours_of(run, tmp_path, ("2024-07-15T05",)).path
    with pytest.raises(
        InputError, match="must have the same hours of the period; got '1 of 30 are in one alone, 2024-07-15T05Z"
    ):
        compare(Operand.of(str(hours)), Operand.of(str(gaps)))
    with pytest.raises(InputError, match="must have an hour of the period"):
        compare(Operand.of(str(hours)), Operand.of(str(gaps)), "2024-07-15T05Z")
    with pytest.raises(InputError, match="there must be a store"):
        compare(Operand.of(str(hours)), Operand.of(str(tmp_path / "none")))


def test_the_command_prints_a_table_and_draws_a_picture(hours, tmp_path, monkeypatch, capsys):
    words = ["compare", f"{hours}#prior", str(hours), "--period", "2024-07-15", "--level", "box"]
    files = ["--picture", str(tmp_path / "a.png"), "--output", str(tmp_path / "a.csv"), "--language", "zh"]
    monkeypatch.setattr(sys, "argv", ["tianyan", *words, *files])
    with contextlib.suppress(SystemExit):
        cli.main()
    printed = capsys.readouterr().out
    assert "净通量" in printed
    assert len(pd.read_csv(tmp_path / "a.csv")) == 9
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
