"""Areas as people name them, and what is refused with a remedy."""

import numpy as np
import pytest
import query_stores as stores
import shapely

from pipeline.answers import RegionTable, area_of, box_of, query
from pipeline.errors import GridError, InputError, TianyanError

REGIONS = RegionTable(
    ("330000", "330100", "330106", "330200", "330206", "331021"),
    ("浙江省", "杭州市", "西湖区", "宁波市", "北仑区", "玉环市"),
    ("Zhejiang", "Hangzhou", "Xihu", "Ningbo", "Beilun", ""),
    ("province", "city", "county", "city", "county", "county"),
    np.ones(6),
)


@pytest.fixture(scope="module")
def store(run):
    return run.store


@pytest.mark.parametrize("name", ["330100", "杭州市", "杭州", "Hangzhou", "hangzhou", "Hangzhou City", " 杭州 "])
def test_a_region_is_found_by_id_and_by_its_names(name):
    assert area_of(name, REGIONS).region == 1


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("Hangzhuo", "330100 (杭州市 Hangzhou)"),
        ("宁海", "330200"),
        ("3302", "330200"),
        ("Atlantis", "330000"),
    ],
)
def test_an_unknown_region_is_refused_with_what_may_be_meant(name, near):
    with pytest.raises(InputError, match="must be one of the store's") as refused:
        area_of(name, REGIONS)
    assert near in refused.value.remedy


def test_a_name_of_two_regions_is_refused_with_their_ids():
    twice = RegionTable(("1", "2"), ("鼓楼区", "鼓楼区"), ("", ""), ("county", "county"), np.ones(2))
    with pytest.raises(InputError, match=r"must be that of one region.*1 \(county\), 2 \(county\)"):
        area_of("鼓楼", twice)
    with pytest.raises(InputError, match="has no regions: give a polygon or a box"):
        area_of("鼓楼", RegionTable((), (), (), (), np.ones(0)))


def test_a_level_is_all_its_regions_and_an_unknown_one_is_refused():
    assert [REGIONS.ids[at] for at in REGIONS.at_level("city")] == ["330100", "330200"]
    with pytest.raises(InputError, match=r"level must be one of the store's.*province, city, county"):
        REGIONS.at_level("town")


BOWTIE = shapely.Polygon([(118, 28), (119, 29), (119, 28), (118, 29)])


@pytest.mark.parametrize(
    ("area", "text"),
    [
        (BOWTIE, "must not cross itself; got 'Self-intersection"),
        (shapely.geometry.mapping(BOWTIE), "must not cross itself"),
        (shapely.Polygon(), "must have an area; got 'an empty Polygon'"),
        (shapely.MultiPolygon(), "must have an area; got 'an empty MultiPolygon'"),
        (shapely.Point(118.5, 28.5), "must have an area; got 'Point'"),
        (shapely.box(3.0e5, 3.2e6, 3.1e5, 3.3e6), "longitude and latitude in degrees"),
        (shapely.Polygon([(28, 118), (29, 118), (29, 119)]), "longitude and latitude in degrees"),
        (shapely.box(10, 50, 11, 51), "must reach into the grid"),
        ({"type": "Polygon"}, "must be GeoJSON"),
        ({"type": "Polygon", "coordinates": [[["a", "b"]]]}, "must be GeoJSON"),
        ({"type": "FeatureCollection", "features": []}, "must hold a polygon"),
        ({"type": "FeatureCollection", "features": [None]}, "must be GeoJSON"),
        (
            {"crs": {"properties": {"name": "urn:ogc:def:crs:EPSG::4490"}}},
            "in longitude and latitude",
        ),
        ((119, 118, 28, 29), "a box must be"),
        ((118, 119, 28, float("nan")), "a box must be"),
        ((118, 119, 28), "an area must be"),
        (7, "an area must be a region, a polygon, a box or a point; got 'int'"),
        ((118.5, 99.0), "a point must be longitude and latitude"),
        ((10.0, 50.0), "a point must lie in the grid"),
        ("MARS", "must be one of the store's; got 'MARS'"),
    ],
)
def test_a_bad_area_is_refused_with_rule_value_and_remedy(store, area, text):
    with pytest.raises((InputError, GridError), match=text) as refused:
        query(store, area)
    assert refused.value.rule
    assert refused.value.remedy


def test_a_polygon_of_too_many_corners_is_refused(store):
    ring = [(118.5 + 0.3 * np.cos(a), 28.5 + 0.3 * np.sin(a)) for a in np.linspace(0, 2 * np.pi, 100_002)]
    with pytest.raises(InputError, match="may have 100000 corners; got 10000"):
        query(store, shapely.Polygon(ring))


def test_a_bad_file_is_refused_with_its_place(store, tmp_path):
    line = {"type": "LineString", "coordinates": [[118, 28], [119, 29]]}
    flat = {"type": "Polygon", "coordinates": [[[118.0, 28.0], [119.0, 29.0], [118.0, 28.0], [118.0, 28.0]]]}
    for name, shapes, text in (
        ("none", (), "the file must hold a polygon"),
        ("line", (line,), r"line.geojson:1: every feature must be a polygon; got 'LineString'"),
        ("empty", ({"type": "Polygon", "coordinates": []},), "must have an area|must be a polygon"),
        ("flat", (flat,), "must have an area|must not cross itself"),
        ("flats", (flat, flat), "must have an area"),
        ("far", (stores.square(10, 11, 50, 51),), "must reach into the grid"),
        ("swapped", (stores.square(28, 29, 118, 119),), "swapped"),
    ):
        with pytest.raises(TianyanError, match=text):
            query(store, stores.geojson(tmp_path / f"{name}.geojson", *shapes))
    with pytest.raises(InputError, match="must exist"):
        query(store, tmp_path / "absent.geojson")
    (tmp_path / "text.geojson").write_text("no polygons here")
    with pytest.raises(InputError, match="must be GeoJSON"):
        query(store, tmp_path / "text.geojson")


@pytest.mark.parametrize("text", ["119,118,28,29", "118,119,28", "118,119,28,nan", "a,b,c,d", "118,119,-91,29", ""])
def test_a_box_that_is_none_is_refused(text):
    with pytest.raises(InputError, match="--box: a box must be west, east, south, north"):
        box_of(text, "--box")
