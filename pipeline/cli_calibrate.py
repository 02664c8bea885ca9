"""`tianyan calibrate`: corrections of cheap sensors from weeks beside a reference."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

calibrate = App(
    name="calibrate",
    help=(
        "Fit what a cheap sensor's surroundings do to it, from weeks beside a reference.\n\n"
        "`tianyan calibrate fit m001.csv p01.csv --station ZJ_M001 --beside ZJ_P01 --air wet --out c.toml`"
    ),
)


@calibrate.command
def fit(
    sensor: Path,
    reference: Path,
    *,
    station: Annotated[str, Parameter(help="id of the sensor")],
    beside: Annotated[str, Parameter(help="id of the reference it stood beside")],
    air: Annotated[
        Literal["dry", "wet"], Parameter(help="whether the sensor's mole fractions are of dry or moist air")
    ],
    out: Annotated[Path, Parameter(help="file of calibrations the table is added to (inputs.calibrations)")],
    source: Annotated[str, Parameter(help="where the numbers come from; the files' names when not given")] = "",
    device_pressure: Annotated[
        float | None, Parameter(help="of a device that does not compensate: its pressure, Pa")
    ] = None,
    device_temperature: Annotated[float | None, Parameter(help="and its temperature, K")] = None,
    rules: Annotated[Path | None, Parameter(help="thresholds of your own (docs/quality.md)")] = None,
) -> None:
    """Fit reference minus sensor to mole fraction, temperature, pressure and water vapour, and add it to a file.

    Parameters
    ----------
    sensor
        CSV: time (with zone), value (ppm), temperature (K), pressure (Pa), humidity or water (%).
    reference
        CSV: time (with zone), value (ppm, dry).
    """
    from pipeline.errors import ConfigError
    from pipeline.ingest.calibrations import append
    from pipeline.ingest.co_location import calibration_of
    from pipeline.ingest.registry import load_own_rules

    taken = (device_pressure, device_temperature)
    if (device_pressure is None) != (device_temperature is None):
        raise ConfigError("device pressure and temperature go together", got=taken, remedy="give both or neither")
    compensation = (
        None if device_pressure is None or device_temperature is None else (device_pressure, device_temperature)
    )
    made, hours, left_out = calibration_of(
        sensor, reference, load_own_rules([rules] if rules else []), station=station, beside=beside, air=air,
        source=source or f"{sensor.name} beside {reference.name}", compensation=compensation,
    )  # fmt: skip
    append(out, made)
    for told in left_out:
        print(told)
    difference = hours["reference"] - hours["value"]
    print(
        f"{station}: {len(hours)} hours beside {beside}, "
        f"{made.trained_from.isoformat()} to {made.trained_to.isoformat()}"
    )
    print(f"root mean square of the difference: {(difference**2).mean() ** 0.5:.2f} ppm, corrected {made.rmse:.2f} ppm")
    for name, unit, number, variance in zip(
        ("at the mean", "mole fraction", "temperature", "pressure", "water vapour"),
        ("ppm", "ppm/ppm", "ppm/K", "ppm/Pa", "ppm/Pa"),
        made.coefficients,
        (row[i] for i, row in enumerate(made.covariance)),
        strict=True,
    ):
        print(f"  {name:14} {number:+.4g} +- {variance**0.5:.2g} {unit}")
    print(f"added to {out.name}, valid from {made.valid_from.isoformat()} on")
