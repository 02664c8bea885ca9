"""Deep convection: how high a parcel rises, and the mixing that follows."""

import numpy as np
import pytest
from simple_weather import meteorology

from kernels import air
from pipeline.grid import Grid
from pipeline.transport import prepare
from pipeline.transport.convection import _slope, convection_height, saturation_humidity

LAMBERT = Grid.from_centres("EPSG:3034", np.arange(3.6e6, 3.8e6, 25e3), np.arange(2.2e6, 2.4e6, 25e3))
LID = 12_000.0
HEIGHT = np.concatenate([[20.0, 100.0, 300.0], np.arange(500.0, 18_000.0, 500.0)])[:, None, None]


def column(lapse=6.5e-3, moisture=0.016, top=12_000.0, surface=300.0):
    """Return temperature, pressure, humidity and height of one column with a tropopause."""
    temperature = surface - lapse * np.minimum(HEIGHT, top)
    depth = np.diff(HEIGHT, axis=0, prepend=0.0)
    pressure = 1e5 * np.exp(-np.cumsum(depth * 9.81 / (287.0 * temperature), axis=0))
    humidity = np.minimum(moisture * np.exp(-HEIGHT / 2500.0), saturation_humidity(temperature, pressure))
    return temperature, pressure, humidity, HEIGHT


@pytest.mark.parametrize(("kelvin", "pascal", "lapse"), [(293.15, 1e5, 4.3), (273.15, 1e5, 6.5), (273.15, 5e4, 5.1)])
def test_the_moist_adiabat_is_that_of_the_tables(kelvin, pascal, lapse):
    """Holton and Hakim (2013), figure 2.8 and the Smithsonian tables: K per km."""
    slope = _slope(np.array(kelvin), np.array(1.0), np.array(pascal))
    assert slope * 9.81 / (287.0 * kelvin) * 1000 == pytest.approx(lapse, abs=0.15)


def test_saturation_is_that_of_the_tables():
    # 23.4 hPa at 20 degrees
    assert saturation_humidity(np.array(293.15), np.array(1e5)) == pytest.approx(
        0.622 * 2337 / (1e5 - 0.378 * 2337), rel=2e-3
    )


def test_moist_air_rises_to_the_tropopause_and_dry_air_stays():
    assert convection_height(*column(moisture=0.005)) == 0.0
    deep = float(convection_height(*column(moisture=0.018))[0, 0])
    assert 9_000 < deep < 13_000
    moister = float(convection_height(*column(moisture=0.020))[0, 0])
    assert moister >= deep


def test_a_stable_column_never_convects():
    assert convection_height(*column(lapse=2e-3, moisture=0.02)) == 0.0


def test_levels_below_the_ground_are_passed_over():
    temperature, pressure, humidity, height = column(moisture=0.018)
    buried = np.concatenate([[[[-200.0]]], height])
    deeper = [np.concatenate([values[:1] * factor, values]) for values, factor in
              ((temperature, 3.0), (pressure, 1.02), (humidity, 9.0))]  # fmt: skip
    assert convection_height(*deeper, buried) == convection_height(temperature, pressure, humidity, height)


def test_prepared_weather_has_a_convective_height_only_when_asked():
    dataset = meteorology(LAMBERT, 1)
    assert np.all(prepare(dataset, LAMBERT, LID)[0].surface[..., air.CONVECTION] == 0)
    # isothermal air is stable
    assert np.all(prepare(dataset, LAMBERT, LID, convection=True)[0].surface[..., air.CONVECTION] == 0)
    temperature, pressure, humidity, _ = column(moisture=0.018)
    levels = [np.interp(dataset["height"].values[0, :, 0, 0], HEIGHT[:, 0, 0], values[:, 0, 0])
              for values in (temperature, pressure, humidity)]  # fmt: skip
    for name, values in zip(("temperature", "pressure", "humidity"), levels, strict=True):
        dataset[name].values[...] = values[None, :, None, None]
    found = prepare(dataset, LAMBERT, LID, convection=True)[0].surface[..., air.CONVECTION]
    assert np.all(found >= 6_000)
