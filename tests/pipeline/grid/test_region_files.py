import json

import numpy as np
import pyogrio
import pytest
import shapely

from pipeline.errors import CoordinateError, FormatError, GridError, InputError
from pipeline.grid import Grid, file_regions, regions_from_polygons

GRID = Grid("EPSG:4326", np.linspace(118, 123, 51), np.linspace(27, 31.5, 46))
SHAPES = [
    shapely.Polygon([(119, 28), (121.7, 28.4), (122.1, 30.9), (119.6, 30.2)]),
    shapely.MultiPolygon([shapely.box(119, 29, 119.5, 29.5), shapely.box(120, 30, 120.5, 30.5)]),
]
NAMES = np.array(["西区", "two islands"], dtype=object)


def write(path, crs="EPSG:4326", shapes=SHAPES, codes=(1.0, 2.0), names=NAMES, **options):
    pyogrio.raw.write(
        path,
        shapely.to_wkb(np.array(shapes, dtype=object)),
        [np.array(codes), np.array(names, dtype=object)],
        ["code", "label"],
        crs=crs,
        geometry_type=options.pop("geometry_type", "Unknown"),
        **options,
    )
    return path


def expected():
    return regions_from_polygons(GRID, ["1", "2"], NAMES, ["", ""], ["file"] * 2, SHAPES)


@pytest.mark.parametrize(
    ("suffix", "kind"), [("geojson", "Unknown"), ("shp", "MultiPolygon"), ("gpkg", "MultiPolygon")]
)
def test_every_format_gives_the_same_regions(tmp_path, suffix, kind):
    shapes = SHAPES if kind == "Unknown" else [shapely.MultiPolygon([SHAPES[0]]), SHAPES[1]]
    path = write(tmp_path / f"regions.{suffix}", shapes=shapes, geometry_type=kind, encoding="UTF-8")
    regions = file_regions(path, GRID, "code", "label")
    assert regions.ids == ("1", "2")
    assert regions.names == ("西区", "two islands")
    assert regions.levels == ("file", "file")
    np.testing.assert_allclose(regions.fractions.toarray(), expected().fractions.toarray(), atol=1e-9)


def test_a_projected_crs_is_honoured_and_its_edges_stay_straight_in_it(tmp_path):
    square = shapely.box(400e3, 3200e3, 500e3, 3300e3)
    path = write(tmp_path / "utm.gpkg", crs="EPSG:32651", shapes=[square], codes=[7], names=["x"])
    regions = file_regions(path, GRID, "code")
    cells = Grid("EPSG:32651", np.linspace(400e3, 500e3, 21), np.linspace(3200e3, 3300e3, 21))
    assert regions.ids == regions.names == ("7",)
    assert regions.areas[0] == pytest.approx(cells.area.sum(), rel=1e-6)


def test_a_shapefile_without_crs_is_refused(tmp_path):
    path = write(tmp_path / "a.shp", geometry_type="MultiPolygon", shapes=[SHAPES[1]], codes=[1], names=["a"])
    (tmp_path / "a.prj").unlink()
    with pytest.raises(CoordinateError, match=r"a\.shp: the polygons must state their CRS.*add the \.prj"):
        file_regions(path, GRID, "code")


def test_names_in_another_encoding_than_stated_are_refused(tmp_path):
    path = write(tmp_path / "a.shp", geometry_type="MultiPolygon", encoding="GBK")
    assert file_regions(path, GRID, "code", "label").names[0] == "西区"
    (tmp_path / "a.cpg").write_text("UTF-8")
    with pytest.raises(FormatError, match=r"encoding the file states.*\.cpg"):
        file_regions(path, GRID, "code", "label")


def test_metres_called_degrees_are_refused(tmp_path):
    collection = {
        "type": "FeatureCollection",
        "features": [
            {
                "type": "Feature",
                "properties": {"code": "m"},
                "geometry": shapely.geometry.mapping(shapely.box(400e3, 3200e3, 500e3, 3300e3)),
            }
        ],
    }
    (tmp_path / "m.geojson").write_text(json.dumps(collection))
    with pytest.raises(CoordinateError, match=r"m\.geojson:m: coordinates must be longitude in \[-360, 360\]"):
        file_regions(tmp_path / "m.geojson", GRID, "code")


def test_swapped_coordinates_are_refused(tmp_path):
    swapped = [shapely.transform(shape, lambda c: c[:, ::-1]) for shape in SHAPES]
    with pytest.raises(CoordinateError, match="longitude and latitude are swapped"):
        file_regions(write(tmp_path / "s.geojson", shapes=swapped), GRID, "code")


def test_a_missing_attribute_is_refused_with_those_there_are(tmp_path):
    with pytest.raises(InputError, match=r"attribute must be in the file; got 'adcode'.*it has code, label"):
        file_regions(write(tmp_path / "a.geojson"), GRID, "adcode")


def test_an_empty_id_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"a\.geojson:label: every feature must have the attribute; got ''"):
        file_regions(write(tmp_path / "a.geojson", names=["x", ""]), GRID, "label")


def test_features_that_are_no_polygons_are_refused(tmp_path):
    for name, shape in (("point", shapely.Point(119, 29)), ("none", None)):
        path = write(tmp_path / f"{name}.geojson", shapes=[SHAPES[0], shape])
        with pytest.raises(InputError, match=rf"{name}\.geojson:2: every feature must be a polygon"):
            file_regions(path, GRID, "code")


def test_a_polygon_that_crosses_itself_is_repaired_and_named(tmp_path):
    bow = shapely.Polygon([(119, 28), (121, 30), (121, 28), (119, 30)])
    regions = file_regions(write(tmp_path / "a.geojson", shapes=[SHAPES[0], bow]), GRID, "code")
    assert regions.repaired == ("2",)
    halves = shapely.union_all(
        [shapely.Polygon([(119, 28), (120, 29), (119, 30)]), shapely.Polygon([(121, 28), (121, 30), (120, 29)])]
    )
    whole = regions_from_polygons(GRID, ["h"], ["h"], [""], ["file"], [halves])
    assert regions.areas[1] == pytest.approx(whole.areas[0], rel=1e-6)


def test_a_file_that_is_missing_or_no_polygon_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="the region file must exist"):
        file_regions(tmp_path / "none.shp", GRID, "code")
    path = write(tmp_path / "a.geojson")
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(FormatError, match=r"a\.geojson: the file must be GeoJSON, a shapefile or a GeoPackage"):
        file_regions(path, GRID, "code")


def test_an_id_used_twice_in_a_file_is_refused(tmp_path):
    with pytest.raises(GridError, match=r"unique; got \['3'\]"):
        file_regions(write(tmp_path / "a.geojson", codes=[3, 3]), GRID, "code")
