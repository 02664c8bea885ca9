"""Pictures of footprints: what is outlined, what is drawn, what is refused."""

import footprint_files as files
import matplotlib.image
import matplotlib.pyplot as plt
import numpy as np
import pytest

from pipeline.coast import draw_coast, installed
from pipeline.errors import InputError
from pipeline.schema import HOUR
from pipeline.show_footprint import choose, draw_footprint, outline, smallest_area
from pipeline.transport import footprints_dataset

needs_lines = pytest.mark.skipif(not installed(), reason="needs the extra maps")


@pytest.fixture(params=sorted(files.GRIDS))
def grid(request):
    return files.GRIDS[request.param]


def pixels(path):
    return matplotlib.image.imread(path)[..., :3]


def test_the_smallest_area_holds_the_share_and_no_cell_to_spare():
    field = np.random.default_rng(2).lognormal(0, 2, (20, 30))
    for share in (0.5, 0.8, 0.95):
        mask = smallest_area(field, share)
        assert field[mask].sum() >= share * field.sum()
        assert field[mask].sum() - field[mask].min() < share * field.sum()
        assert field[mask].min() >= field[~mask].max()
    assert smallest_area(field, 1.0).all()


def test_an_outline_goes_round_a_mask_and_its_holes():
    mask = np.ones((3, 3), dtype=bool)
    mask[1, 1] = False
    edges = np.array([0.0, 1.0, 2.0, 3.0])
    sides = outline(mask, edges, 10 * edges)
    length = np.abs(np.diff(sides, axis=1)).sum(axis=(0, 1))
    assert sides.shape == (16, 2, 2)
    np.testing.assert_allclose(length, [2 * 3 + 2 * 1, 10 * (2 * 3 + 2 * 1)])


def test_a_picture_shows_the_footprint_it_was_given(grid, tmp_path):
    files.write_footprints(tmp_path, grid)
    found = choose(tmp_path, grid)
    assert found.others == ["TROPOMI-20240715T034425+29.700+121.000"]
    plain, aged = tmp_path / "plain.png", tmp_path / "aged.png"
    notes = draw_footprint(found.row, grid, plain)
    draw_footprint(found.row, grid, aged, age=True)
    assert bool(notes) != installed()
    image = pixels(plain)
    assert image.shape[0] > 800
    assert image.shape[1] > 1300
    colours = np.unique((image * 255).astype(np.uint8).reshape(-1, 3), axis=0)
    assert len(colours) > 200
    red, green, blue = np.moveaxis(image, -1, 0)
    assert np.sum((red > 0.8) & (green < 0.15) & (blue < 0.2)) > 50  # the outline of half the footprint
    assert np.any(pixels(aged) != image)


def test_a_footprint_of_one_cell_and_one_hour_can_be_drawn(tmp_path):
    grid = files.GRIDS["lonlat"]
    row = footprints_dataset([files.plume(grid, "AAA", hours=1)], grid, "ch4")
    row = row.drop_dims("row_edge").isel(entry=[0]).assign(indptr=("row_edge", np.array([0, 1])))
    draw_footprint(row, grid, tmp_path / "a.png", age=True)
    assert pixels(tmp_path / "a.png").std() > 0.05


def test_a_footprint_of_many_days_can_be_drawn(tmp_path):
    grid = files.GRIDS["lonlat"]
    row = footprints_dataset([files.plume(grid, "AAA", hours=5)], grid, "ch4")
    back = (row["time"].values[0] - row["hour"].values) / HOUR
    row["hour"] = ("entry", row["time"].values[0] - (back * 59).astype(int) * HOUR, row["hour"].attrs)
    draw_footprint(row, grid, tmp_path / "a.png")
    assert pixels(tmp_path / "a.png").std() > 0.05


def test_a_nil_footprint_is_refused(tmp_path):
    grid = files.GRIDS["lonlat"]
    row = footprints_dataset([files.plume(grid, "AAA")], grid, "ch4")
    row["footprint"] = row["footprint"] * 0
    with pytest.raises(InputError, match="must not be nil to be drawn; got '0 at AAA'"):
        draw_footprint(row, grid, tmp_path / "a.png")
    assert not (tmp_path / "a.png").exists()


def test_a_footprint_is_chosen_by_station_and_by_hour(tmp_path):
    grid = files.GRIDS["lambert"]
    files.write_footprints(tmp_path, grid, [files.TIME, files.TIME + HOUR])
    later = choose(tmp_path, grid, station="AAA", time=files.TIME + 100 * np.timedelta64(1, "m"))
    assert later.row["time"].values[0] == files.TIME + HOUR
    assert later.others == []
    sounding = choose(tmp_path, grid, station="TROPOMI").row
    assert sounding["station"].values[0] == "TROPOMI-20240715T034425+29.700+121.000"
    assert sounding["time"].values[0] == files.TIME
    with pytest.raises(InputError, match=r"got 'none of BBB'. Remedy: stations there: AAA, TROPOMI-"):
        choose(tmp_path, grid, station="BBB")
    with pytest.raises(InputError, match=r"at 2024-07-20 00:00'. Remedy: hours there: 20240715T03 to 20240715T04"):
        choose(tmp_path, grid, time=np.datetime64("2024-07-20T00", "ns"))


@needs_lines
def test_a_map_without_the_lines_says_how_to_get_them(tmp_path, monkeypatch):
    grid = files.GRIDS["lonlat"]
    row = footprints_dataset([files.plume(grid, "AAA")], grid, "ch4")
    assert draw_footprint(row, grid, tmp_path / "with.png") == []
    monkeypatch.setattr("pipeline.coast.installed", lambda: False)
    (note,) = draw_footprint(row, grid, tmp_path / "without.png")
    assert "pip install 'carbon-tianyan[maps]'" in note
    assert np.any(pixels(tmp_path / "with.png") != pixels(tmp_path / "without.png"))


@needs_lines
def test_drawing_coast_keeps_the_limits_of_the_map(grid):
    figure, axis = plt.subplots()
    axis.set(xlim=grid.x_edges[[0, -1]], ylim=grid.y_edges[[0, -1]])
    assert draw_coast(axis, grid)
    assert axis.get_xlim() == tuple(grid.x_edges[[0, -1]])
    assert axis.get_ylim() == tuple(grid.y_edges[[0, -1]])
    assert max(len(collection.get_segments()) for collection in axis.collections) > 10
    plt.close(figure)
