"""The weather of a run: which times there are, which can be used, and the bringing of them to where particles are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from pipeline.errors import ConfigError, InputError, TimeError
from pipeline.grid import Grid
from pipeline.ingest import read_meteorology, source_keys
from pipeline.schema import HOUR
from pipeline.settings import TransportSettings
from pipeline.transport import Prepared, Receptor, WeatherStore, prepare, seconds, within
from pipeline.units import SECONDS_PER_HOUR

#: prepared weather is kept this long behind the newest hour asked for, besides the travel time
_KEPT = np.timedelta64(48, "h")


class CaseWeather:
    """The weather of a case: its times and its store on disk.

    A time that cannot be read is like one that is missing: it is known with its error, and particles end there.

    Parameters
    ----------
    settings
        Section [transport].
    grid
        The flux grid.
    root
        Folder of the input paths.
    folder
        Where prepared weather stands.

    Raises
    ------
    ConfigError
        For fewer than two times.
    InputError
        For files whose indexes cannot be read, and times that are no multiples of their step.
    """

    def __init__(self, settings: TransportSettings, grid: Grid, root: Path, folder: Path) -> None:
        self.settings, self.grid, self.root = settings, grid, root
        self.sources = source_keys(settings.meteorology, root)
        self.step = _step(np.array(list(self.sources), dtype="datetime64[ns]"))
        self.store = WeatherStore(folder, settings.top, convection=settings.convection)
        self.prepared = 0
        self.unusable: dict[np.datetime64, InputError] = {}
        self._weather_grid: Grid | None = None
        self._digests: dict[np.datetime64, str] = {}

    @property
    def weather_grid(self) -> Grid:
        """The weather's own grid, known once a time of it is."""
        assert self._weather_grid is not None
        return self._weather_grid

    def times_of(self, receptor: Receptor) -> tuple[str, list[np.datetime64]]:
        """Return why a receptor cannot have a footprint, or "" and the unbroken weather times it reads."""
        if not 0.0 <= receptor.height <= self.settings.top:
            return f"its height, {receptor.height:g} m, is not between the ground and the lid", []
        where = f"at {receptor.lon:.3f} E {receptor.lat:.3f} N"
        if self.grid.locate(receptor.lon, receptor.lat)[0] < 0:
            return f"it lies outside the flux grid, {where}", []
        begin = float(seconds(receptor.time))
        last = int(np.ceil((begin + receptor.duration) / self.step))
        first = int(np.floor((begin - self.settings.hours * SECONDS_PER_HOUR) / self.step))
        step, epoch = np.timedelta64(int(self.step), "s"), np.datetime64(0, "ns")
        times: list[np.datetime64] = []
        for index in range(last, first - 1, -1):
            time = epoch + index * step
            if not self.is_usable(time):
                break
            times.append(time)
        if len(times) < 2:
            missing = epoch + (last - len(times)) * step
            if missing in self.unusable:
                return f"the weather at {_minute(missing)} cannot be used", []
            return f"there is no weather at {_minute(missing)}", []
        if not within(receptor, self.weather_grid):
            return f"it lies outside the weather, {where}", []
        return "", times[::-1]

    def is_short(self, receptor: Receptor, times: Sequence[np.datetime64]) -> bool:
        """Return whether there is less weather behind a receptor than its particles may travel."""
        return bool(seconds(times[0]) > seconds(receptor.time) - self.settings.hours * SECONDS_PER_HOUR)

    def digest(self, time: np.datetime64) -> str:
        """Return the digest of a time, preparing it when it never was.

        Raises
        ------
        InputError
            When it cannot be read.
        """
        if time not in self._digests:
            self.grid_of(time)
            self._require_one_grid(time)
        return self._digests[time]

    def grid_of(self, time: np.datetime64) -> Grid | None:
        """Return the grid of a time, preparing it when it never was; it may be another than that of the others.

        Raises
        ------
        InputError
            When it cannot be read.
        """
        found = self.store.digest(time, self.sources[time])
        self._digests[time] = found if found is not None else self._prepare(time)
        return self.store.grid(time, self.sources[time])

    def fetch(self, time: np.datetime64) -> Prepared | None:
        """Return a prepared time, made again when it is no longer there; None when it is not what it was.

        Its digest is then another, or it can no longer be used: what reads it must be asked for anew.

        Raises
        ------
        InputError
            When the store cannot be read back.
        """
        found, digest = self.store.get(time, self.sources[time]), self.digest(time)
        if found is not None:
            return found
        try:
            self._digests[time] = self._prepare(time)
        except InputError as error:
            self.unusable[time] = error
            return None
        self._require_one_grid(time)
        found = self.store.get(time, self.sources[time])
        if found is None:
            raise InputError(
                "prepared weather must be readable after it was written",
                got=_minute(time),
                remedy="check the disk",
                where=str(self.store.folder),
            )
        return found if self._digests[time] == digest else None

    def prune(self, hour: np.datetime64) -> None:
        """Drop prepared weather that no receptor from this hour on will read soon, here or elsewhere."""
        if self.settings.oldest is not None:
            hour = min(hour, self.settings.oldest.astype("datetime64[ns]"))
        self.store.prune(hour - self.settings.hours * HOUR - _KEPT)

    def told(self) -> Iterable[str]:
        """Give a sentence for every time that could not be used."""
        for time in sorted(self.unusable):
            yield f"the weather at {_minute(time)} cannot be used, particles end there: {self.unusable[time]}"

    def is_usable(self, time: np.datetime64) -> bool:
        """Return whether a time is there and can be read."""
        if time not in self.sources or time in self.unusable:
            return False
        try:
            self.digest(time)
        except InputError as error:
            self.unusable[time] = error
            return False
        return True

    def _prepare(self, time: np.datetime64) -> str:
        """Decode a time, put it into the store and return its digest."""
        dataset = read_meteorology(self.settings.meteorology, self.root, time, time)
        grid = Grid.from_dataset(dataset)
        made = prepare(dataset, grid, self.settings.top, convection=self.settings.convection)[0]
        self.prepared += 1
        return self.store.put(time, self.sources[time], made, grid)

    def _require_one_grid(self, time: np.datetime64) -> None:
        """Raise ConfigError unless a time is on the grid of the others: files were mixed, no hour is at fault."""
        grid = self.store.grid(time, self.sources[time])
        if self._weather_grid is None:
            self._weather_grid = grid
        elif grid != self._weather_grid:
            raise ConfigError(
                "all weather must be on one grid",
                got=f"another at {_minute(time)}",
                remedy="leave out the files of the other grid",
                where="transport.meteorology.files",
            )


def _step(times: np.ndarray) -> float:
    """Return the smallest step between times, s."""
    if times.size < 2:
        raise ConfigError(
            "the weather must hold two times", got=times.size, remedy="give more files", where="transport.meteorology"
        )
    step = float(np.diff(times).min() / np.timedelta64(1, "s"))
    odd = seconds(times) % step != 0.0
    if odd.any():
        raise TimeError(
            f"weather times must be multiples of their step, {step / SECONDS_PER_HOUR:g} h",
            got=_minute(times[odd][0]),
            remedy="leave such files out",
            where="transport.meteorology",
        )
    return step


def _minute(time: np.datetime64) -> str:
    return str(np.datetime_as_string(time, "m"))
