import numpy as np
import pytest

from pipeline.errors import ConfigError, GridError
from pipeline.grid import Grid, grid_from_settings, lambert_grid, make_regions
from pipeline.settings import GridSettings, RegionSettings

GRID = Grid("EPSG:4326", np.linspace(119, 121, 5), np.linspace(29, 31, 5))


def test_axes_of_the_settings_are_centres():
    settings = GridSettings.model_validate(
        {"crs": "EPSG:4326", "x": {"first": 0.5, "step": 1, "count": 3}, "y": {"first": 40.25, "step": 0.5, "count": 2}}
    )
    assert grid_from_settings(settings) == Grid("EPSG:4326", np.arange(4.0), np.array([40.0, 40.5, 41.0]))


def test_a_box_of_the_settings_is_a_lambert_grid():
    settings = GridSettings.model_validate({"box": [118, 123, 27, 31.5], "spacing": 20000, "margin": 15000})
    expected = lambert_grid(west=118, east=123, south=27, north=31.5, spacing=20000, margin=15000)
    assert grid_from_settings(settings) == expected


def test_impossible_axes_are_refused():
    settings = GridSettings.model_validate(
        {"crs": "EPSG:4326", "x": {"first": 0.5, "step": 1, "count": 3}, "y": {"first": 118, "step": 1, "count": 3}}
    )
    with pytest.raises(GridError, match="latitude edges"):
        grid_from_settings(settings)


@pytest.mark.parametrize(("spacing", "cells"), [(1e6, "0."), (1.0, "e+05")])
def test_a_spacing_of_no_cell_or_of_too_many_is_refused(spacing, cells):
    with pytest.raises(GridError, match=r"spacing must give at least one cell and at most 100000") as caught:
        lambert_grid(west=118, east=123, south=27, north=31.5, spacing=spacing)
    assert f"{cells}" in caught.value.got


def test_no_regions_in_the_settings_is_no_regions(tmp_path):
    regions = make_regions(RegionSettings(), GRID, tmp_path)
    assert regions.ids == ()
    assert regions.fractions.shape == (0, GRID.size)
    assert regions.totals(np.ones(GRID.shape)).shape == (0,)


def test_all_kinds_of_regions_are_merged_in_order(tmp_path):
    corners = [[119.2, 29.2], [120, 29.2], [120, 30], [119.2, 29.2]]
    polygon = {"type": "Polygon", "coordinates": [corners]}
    feature = {"type": "Feature", "properties": {"code": "A", "label": "甲"}, "geometry": polygon}
    (tmp_path / "a.geojson").write_text(
        str({"type": "FeatureCollection", "features": [feature]}).replace("'", '"'), encoding="utf-8"
    )
    settings = RegionSettings.model_validate(
        {
            "zhejiang": ["city"],
            "file": "a.geojson",
            "id_field": "code",
            "name_field": "label",
            "boxes": [{"id": "B", "name": "a box", "box": [119.1, 119.9, 29.1, 29.9]}],
        }
    )
    wide = Grid("EPSG:4326", np.linspace(117, 124, 15), np.linspace(26, 32, 13))
    regions = make_regions(settings, wide, tmp_path)
    assert regions.ids[0] == "330100"
    assert regions.ids[-2:] == ("A", "B")
    assert regions.names[-2:] == ("甲", "a box")
    assert regions.levels[-3:] == ("city", "file", "box")
    np.testing.assert_allclose(regions.totals(np.ones(wide.shape)), regions.areas, rtol=1e-12)


def test_an_id_used_by_two_kinds_is_refused(tmp_path):
    box = {"id": "330000", "name": "twin", "box": [119.1, 119.9, 29.1, 29.9]}
    settings = RegionSettings.model_validate({"zhejiang": ["province"], "boxes": [box]})
    with pytest.raises(GridError, match=r"ids must be unique; got \['330000'\]"):
        make_regions(settings, GRID, tmp_path)


def test_a_file_without_the_attribute_of_its_ids_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"set regions\.id_field"):
        make_regions(RegionSettings(file="a.geojson"), GRID, tmp_path)
