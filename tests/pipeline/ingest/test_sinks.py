"""Towers: only measured fluxes in moving air are observations, an hour needs all its rows, every row has an outcome."""

from datetime import datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from ingest_cases import registry as shipped
from ingest_cases import settings, shared_data
from station_files import registry

from pipeline.errors import ConfigError, FormatError, RegistryError, TimeError
from pipeline.ingest import account, read_sinks
from pipeline.schema import Flag, check, is_used

WINDOW = ("2024-07-01T00:00:00Z", "2024-07-02T00:00:00Z")
PLACE = {"station_class": "sink", "inlets": "40", "zone": "Asia/Shanghai", "hour_label": "end"}


def case(*, window=WINDOW, species="co2", **changes):
    sink = {"id": "ABC", "format": "fluxnet", "files": ["*.csv"], "height": 40, "quality": "NEE_QC",
            "friction_least": 0.2, "representation_error": 3.0} | changes  # fmt: skip
    hours = {"start": window[0], "end": window[1]}
    source = {"file": "flux.nc", "format": "netcdf", "variable": "flux"}
    sector = {"name": "biosphere", "sigma_fraction": 0.5, "length": 50, "hours": 5, "sources": [source]}
    return settings(
        case={"name": "t", "title": "t", "species": species, "flux_hours": hours, "observation_hours": hours},
        sectors=[sector],
        sinks=[sink],
    )


def write(path, rows, *, start="2024-07-01T08:00", minutes=30, names="NEE,NEE_QC,USTAR"):
    """Write rows of the columns, one after the other, from a local time."""
    lines = [f"TIMESTAMP_START,TIMESTAMP_END,{names}"]
    begin = datetime.fromisoformat(start)
    for i, row in enumerate(rows):
        ends = (begin + timedelta(minutes=minutes * (i + k)) for k in (0, 1))
        lines.append(",".join([*(f"{end:%Y%m%d%H%M}" for end in ends), *map(str, row)]))
    path.write_text("\n".join(lines) + "\n")
    return path


def test_two_half_hours_make_an_hour_of_utc(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    write(folder / "a.csv", [(-10, 0, 0.5), (-6, 0, 0.5), (2, 0, 0.3), (4, 0, 0.3)])
    observations, accounts = read_sinks(case(random_error=(1.0, 0.2)), folder, registry(tmp_path, **PLACE))
    check(observations, "flux_observations")
    assert observations["value"].values.tolist() == [-8.0, 3.0]
    # the label is eight hours ahead of UTC
    assert observations["time"].values[0] == np.datetime64("2024-07-01T00")
    # two rows err each by itself
    np.testing.assert_allclose(
        observations["uncertainty"].values, [np.hypot(3.0, 2.2) / 2, np.hypot(1.4, 1.8) / 2], rtol=1e-12
    )
    assert observations["radius"].values.tolist() == [1500.0] * 2
    assert set(observations["sector"].values) == {"biosphere"}
    assert set(observations["platform"].values) == {"sink"}
    assert (observations["lon"].values[0], observations["height"].values[0]) == (119.75, 40.0)
    assert accounts[0].rows == {"used": 4}
    assert (accounts[0].hours, accounts[0].hours_usable) == (2, 2)


@pytest.mark.parametrize(
    ("row", "flags", "outcome"),
    [
        ((-5, 1, 0.5), Flag.GAP_FILLED | Flag.INCOMPLETE, "gap-filled"),
        ((-5, -9999, 0.5), Flag.GAP_FILLED | Flag.INCOMPLETE, "gap-filled"),
        ((-5, 0, 0.19), Flag.LOW_TURBULENCE | Flag.INCOMPLETE, "low turbulence"),
        ((-5, 0, -9999), Flag.LOW_TURBULENCE | Flag.INCOMPLETE, "low turbulence"),
        ((-101, 0, 0.5), Flag.RANGE_FAIL | Flag.INCOMPLETE, "range fail"),
        ((-9999, 0, 0.5), Flag.INCOMPLETE, "missing value"),
        ((-9999.99, 0, 0.5), Flag.INCOMPLETE, "missing value"),
    ],
)
def test_one_bad_half_leaves_its_hour_unused_and_says_why(tmp_path, row, flags, outcome):
    write(tmp_path / "a.csv", [(-4, 0, 0.5), row, (-8, 0, 0.5), (-8, 0, 0.5)])
    (tmp_path / "table").mkdir()
    observations, accounts = read_sinks(case(), tmp_path, registry(tmp_path / "table", **PLACE))
    assert observations["flag"].values.tolist() == [int(flags), 0]
    # the mean of a flagged hour is of its good rows: nothing that was refused gets into it
    assert observations["value"].values.tolist() == [-4.0, -8.0]
    assert accounts[0].rows == {"used": 2, outcome: 1, "used, flagged incomplete": 1}
    assert accounts[0].hours_usable == 1


def test_an_hour_with_nothing_is_missing_and_one_of_large_flux_is_suspect(tmp_path):
    write(tmp_path / "a.csv", [(-9999, -9999, 0.5)] * 2 + [(-60, 0, 0.5)] * 2)
    (tmp_path / "table").mkdir()
    observations, _ = read_sinks(case(), tmp_path, registry(tmp_path / "table", **PLACE))
    assert observations["flag"].values.tolist() == [int(Flag.MISSING | Flag.INCOMPLETE), int(Flag.RANGE_SUSPECT)]
    assert np.isnan(observations["value"].values[0])
    assert is_used(observations["flag"].values).tolist() == [False, True]


def test_a_turbulence_flag_is_told_as_such_and_its_accepted_values_are_a_setting(tmp_path):
    write(tmp_path / "a.csv", [(-4, 1, 0.5), (-4, 0, 0.5), (-8, 2, 0.5), (-8, 0, 0.5)])
    (tmp_path / "table").mkdir()
    table = registry(tmp_path / "table", **PLACE)
    observations, _ = read_sinks(case(quality_means="turbulence", accepted=[0, 1]), tmp_path, table)
    assert observations["flag"].values.tolist() == [0, int(Flag.LOW_TURBULENCE | Flag.INCOMPLETE)]
    for changes in ({"accepted": [0, 1]}, {"accepted_night": [0, 1]}):
        with pytest.raises(ValueError, match="of a filling flag only 0 is measured"):
            case(**changes)


def test_a_file_without_quality_says_so(tmp_path):
    write(tmp_path / "a.csv", [(-4, 3, 0.5)] * 2, names="FC,QC,USTAR")
    (tmp_path / "table").mkdir()
    table = registry(tmp_path / "table", **PLACE)
    observations, accounts = read_sinks(case(quality=None, variable="FC"), tmp_path, table)
    assert observations["flag"].values.tolist() == [0]
    assert accounts[0].notes == ("no quality column: every FC is taken as measured",)


@pytest.mark.parametrize(
    ("names", "columns", "remedy"),
    [
        ("NEE_VUT_REF,NEE_VUT_REF_QC,USTAR", {"variable": "NEE_VUT_REF", "quality": None}, "NEE_VUT_REF_QC"),
        ("NEE_VUT_REF,NEE_VUT_REF_QC,USTAR", {"variable": "NEE_VUT_REF", "quality": "USTAR"}, "NEE_VUT_REF_QC"),
        ("FC_PI_f_1_1_1,QC,USTAR", {"variable": "FC_PI_f_1_1_1", "quality": None}, "column of measured values"),
    ],
)
def test_a_flux_whose_gaps_were_filled_is_not_read_without_its_quality(tmp_path, names, columns, remedy):
    write(tmp_path / "a.csv", [(-4, 0, 0.5)] * 2, names=names)
    (tmp_path / "table").mkdir()
    observations, (told,) = read_sinks(case(**columns), tmp_path, registry(tmp_path / "table", **PLACE))
    assert observations.sizes["obs"] == 0
    assert "the quality column must tell the measured values" in str(told.refused)
    assert remedy in str(told.refused)


_FORMS = {
    # of a FULLSET file every gap is filled, and 1 to 3 say how well
    "FLUXNET FULLSET": (
        "NEE_VUT_REF,NEE_VUT_REF_QC,USTAR,SW_IN_F,NEE_VUT_REF_RANDUNC",
        {"variable": "NEE_VUT_REF", "quality": "NEE_VUT_REF_QC", "radiation": "SW_IN_F",
         "uncertainty": "NEE_VUT_REF_RANDUNC"},
        [[0, 0], [1, 0], [2, 3], [-9999, 0]],
        [True, False, False, False],
        Flag.GAP_FILLED,
    ),
    # what ICOS calls level 2 has the turbulence flag of Mauder and Foken: by day, 1 will do
    "ICOS ETC L2": (
        "NEE,NEE_SSITC_TEST,USTAR,SW_IN,FC",
        {"variable": "NEE", "quality": "NEE_SSITC_TEST", "quality_means": "turbulence", "accepted": [0, 1],
         "radiation": "SW_IN"},
        [[0, 0], [1, 0], [2, 0], [-9999, 0]],
        [True, True, False, False],
        Flag.LOW_TURBULENCE,
    ),
}  # fmt: skip


@pytest.mark.parametrize("form", _FORMS)
def test_columns_are_those_of_each_network_and_only_measured_values_are_used(tmp_path, form):
    names, columns, quality, used, flag = _FORMS[form]
    rows = [(-4 - 0.1 * i, one, 0.5, 400, 1.0) for i, one in enumerate(np.ravel(quality))]
    write(tmp_path / "a.csv", rows, names=names)
    (tmp_path / "table").mkdir()
    observations, accounts = read_sinks(case(**columns), tmp_path, registry(tmp_path / "table", **PLACE))
    found = observations["flag"].values
    assert is_used(found).tolist() == used
    assert ((found[~is_used(found)] & np.uint32(flag)) != 0).all()
    assert accounts[0].refused is None
    # FULLSET states the error of a row, ICOS none here
    sigma = observations["uncertainty"].values[0]
    assert sigma == pytest.approx((1.0 if "uncertainty" in columns else 1.42 + 0.19 * 4.05) / np.sqrt(2), rel=1e-3)


@pytest.mark.parametrize("radiation", [None, "SW"])
def test_by_night_only_the_best_turbulence_is_taken(tmp_path, radiation):
    # 08:00 and 20:00 of July in China; the radiation of the file says the contrary, to see which of the two tells
    for name, hour, light in (("a", "08", 0), ("b", "20", 500)):
        rows = [(4.1, 1, 0.5, light), (4.3, 1, 0.5, light), (4.2, 0, 0.5, light), (4.4, 0, 0.5, light)]
        write(tmp_path / f"{name}.csv", rows, names="NEE,Q,USTAR,SW", start=f"2024-07-01T{hour}:00")
    (tmp_path / "table").mkdir()
    turbulent = case(quality="Q", quality_means="turbulence", accepted=[0, 1], radiation=radiation)
    observations, _ = read_sinks(turbulent, tmp_path, registry(tmp_path / "table", **PLACE))
    calm = int(Flag.LOW_TURBULENCE | Flag.INCOMPLETE)
    assert observations["flag"].values.tolist() == ([0, 0, calm, 0] if radiation is None else [calm, 0, 0, 0])


def test_a_spike_stays_out_of_its_hour_and_is_counted(tmp_path):
    random = np.random.default_rng(4)
    flux = np.round(3 + random.normal(0, 0.3, 15 * 48), 3)
    flux[7 * 48 + 3] += 20
    write(tmp_path / "a.csv", [(value, 0, 0.5) for value in flux], start="2024-06-24T08:00")
    (tmp_path / "table").mkdir()
    observations, accounts = read_sinks(case(), tmp_path, registry(tmp_path / "table", **PLACE))
    flags = observations["flag"].values
    assert flags[1] == int(Flag.SPIKE | Flag.INCOMPLETE)
    assert observations["value"].values[1] == pytest.approx(flux[7 * 48 + 2])
    assert (np.delete(flags, 1) == 0).all()
    assert accounts[0].rows["spike"] == 1


def test_summer_time_never_enters(tmp_path):
    write(tmp_path / "a.csv", [(-4, 0, 0.5)] * 2, start="2024-07-01T12:00")
    (tmp_path / "table").mkdir()
    table = registry(tmp_path / "table", **(PLACE | {"zone": "Europe/Stockholm"}))
    observations, _ = read_sinks(case(), tmp_path, table)
    assert observations["time"].values[0] == np.datetime64("2024-07-01T11")


def test_rows_outside_the_hours_and_twice_are_counted_not_used(tmp_path):
    rows = [(-4, 0, 0.5), (-6, 0, 0.5), (-2, 0, 0.5), (-2, 0, 0.5)]
    write(tmp_path / "a.csv", rows)
    write(tmp_path / "b.csv", rows[:2])
    write(tmp_path / "c.csv", [(-3, 0, 0.5)], start="2024-07-01T09:00")
    write(tmp_path / "d.csv", rows[:1], start="2024-07-01T07:30")
    (tmp_path / "table").mkdir()
    observations, accounts = read_sinks(case(), tmp_path, registry(tmp_path / "table", **PLACE))
    assert observations["value"].values.tolist() == [-5.0, -2.0]
    # of two numbers for one half hour neither is right
    assert observations["flag"].values.tolist() == [0, int(Flag.DUPLICATE | Flag.INCOMPLETE)]
    assert accounts[1].rows == {"duplicate time, same value": 2}
    assert accounts[2].rows == {"duplicate time, other value": 1}
    assert accounts[3].rows == {"outside the hours asked for": 1}
    assert "duplicate time, other value" in account.render(accounts)


def test_hourly_rows_pass_as_they_are(tmp_path):
    write(tmp_path / "a.csv", [(-4, 0, 0.5), (-6, 0, 0.1)], minutes=60)
    (tmp_path / "table").mkdir()
    observations, _ = read_sinks(case(), tmp_path, registry(tmp_path / "table", **PLACE))
    assert is_used(observations["flag"].values).tolist() == [True, False]
    assert observations["value"].values[0] == -4.0


def test_a_file_of_another_interval_than_most_is_set_aside_wherever_it_stands(tmp_path):
    write(tmp_path / "a.csv", [(-4, 0, 0.5)] * 2, minutes=60)
    write(tmp_path / "b.csv", [(-6, 0, 0.5)] * 2, start="2024-07-01T12:00")
    write(tmp_path / "c.csv", [(-8, 0, 0.5)] * 2, start="2024-07-01T13:00")
    (tmp_path / "table").mkdir()
    observations, accounts = read_sinks(case(), tmp_path, registry(tmp_path / "table", **PLACE))
    assert [told.refused is None for told in accounts] == [False, True, True]
    assert "a.csv: the files of a feed must have one averaging interval, that of most: 30" in str(accounts[0].refused)
    assert observations["value"].values.tolist() == [-6.0, -8.0]


_ROW = st.tuples(
    st.one_of(st.just(-9999.0), st.floats(-120, 120).map(lambda v: round(v, 2))),
    st.sampled_from([0, 1, 2, -9999]),
    st.sampled_from([0.1, 0.5, -9999]),
)


@hypothesis_settings(deadline=None, max_examples=30)
@given(rows=st.lists(_ROW, min_size=1, max_size=12))
def test_every_row_has_one_outcome_and_a_used_hour_is_the_mean_of_good_rows(rows, tmp_path_factory):
    folder, table = tmp_path_factory.mktemp("in"), tmp_path_factory.mktemp("table")
    write(folder / "a.csv", rows)
    observations, accounts = read_sinks(case(), folder, registry(table, **PLACE))
    assert sum(accounts[0].rows.values()) == len(rows)
    used = dict(zip(observations["time"].values, is_used(observations["flag"].values), strict=True))
    for k in range(0, len(rows), 2):
        both = rows[k : k + 2]
        good = len(both) == 2 and all(abs(n) <= 100 and q == 0 and u == 0.5 for n, q, u in both)
        hour = np.datetime64("2024-07-01T00", "ns") + np.timedelta64(k // 2, "h")
        assert used[hour] == good
        if good:
            value = observations["value"].values[observations["time"].values == hour]
            assert value == pytest.approx(np.mean([n for n, _, _ in both]))


def test_what_cannot_be_is_refused(tmp_path):
    (tmp_path / "table").mkdir()
    table = registry(tmp_path / "table", **PLACE)
    path = write(tmp_path / "a.csv", [(-4, 0, 0.5)] * 2, minutes=20)

    def refused(**changes):
        observations, (told,) = read_sinks(case(**changes), tmp_path, table)
        assert observations.sizes["obs"] == told.rows_read == 0
        check(observations, "flux_observations")
        return type(told.refused), str(told.refused)

    kind, said = refused()
    assert kind is TimeError
    assert "rows must be half hours, or hours; got ['20 minutes']" in said
    write(path, [(-4, 0, 0.5)] * 2, start="2024-07-01T08:10")
    kind, said = refused()
    assert kind is TimeError
    assert "rows must begin at whole multiples of 30 minutes" in said
    write(path, [(-4, 0, 0.5)] * 2)
    kind, said = refused(variable="FC")
    assert kind is FormatError
    assert "column FC must be there once" in said
    with pytest.raises(RegistryError, match="height must be one of the station's; got '5 m"):
        read_sinks(case(height=5), tmp_path, table)
    with pytest.raises(ConfigError, match="sinks measure co2; got 'ch4'"):
        read_sinks(case(species="ch4"), tmp_path, table)
    path.write_text("a,b\n1,2\n")
    assert "the heading must hold TIMESTAMP_START and TIMESTAMP_END, or date and time" in refused()[1]


def test_a_case_without_towers_has_an_empty_dataset(tmp_path):
    observations, accounts = read_sinks(case().model_copy(update={"sinks": []}), tmp_path, shipped())
    assert observations.sizes["obs"] == len(accounts) == 0
    check(observations, "flux_observations")


def test_a_real_year_at_hyltemossa():
    real = case(
        window=("2017-01-01T00:00:00Z", "2018-01-01T00:00:00Z"), id="SE_HTM", files=["stations/SE-Htm_2017.csv"],
        height=70, quality=None, variable="FC_PI_1_1_1", friction="USTAR_1_1_1", radiation="SW_IN_1_1_1",
    )  # fmt: skip
    observations, accounts = read_sinks(real, shared_data(), shipped())
    assert accounts[0].rows_read == 17520
    assert accounts[0].hours_usable == 4074
    # of 10 000 half hours with air in motion, such as 10 of a night between -10 and -7
    assert accounts[0].rows["spike"] == 23
    used = observations.isel(obs=is_used(observations["flag"].values))
    time, value = used["time"].values, used["value"].values
    july = time.astype("datetime64[M]") == np.datetime64("2017-07")
    hour = (time - time.astype("datetime64[D]")) // np.timedelta64(1, "h")
    # the forest takes up most about local noon, which is 11 UTC, and breathes at night
    course = np.array([value[july & (hour == h)].mean() for h in range(24)])
    assert 8 <= np.argmin(course) <= 12
    assert course.min() < -10
    assert np.all(course[[0, 1, 2, 22, 23]] > 4)
