"""Public facts the simulated province is made of: cities, plants, works, hills, coast and the neighbours upwind.

Illustrative. Positions are public; annual amounts are of the right order (a province of some 400 Mt CO2 a year) and
rounded, and no statement about any city or plant should be drawn from them. Plants: position and capacity rounded
from the Global Power Plant Database v1.3 (World Resources Institute, CC BY 4.0).
"""

from __future__ import annotations

from dataclasses import dataclass

#: t CO2 per MW and year of a coal unit: 5000 full-load hours at 0.85 t CO2 per MWh
TONNES_PER_MEGAWATT = 5000 * 0.85


@dataclass(frozen=True)
class City:
    """A prefecture-level city.

    Parameters
    ----------
    id
        Administrative division code of GB/T 2260.
    total
        All emissions including power plants, Mt CO2 per year.
    core
        Standard deviation of the built-up core, km.
    """

    id: str
    name: str
    lon: float
    lat: float
    total: float
    core: float


@dataclass(frozen=True)
class Plant:
    """A large coal-fired power plant in the city with id `city`."""

    name: str
    city: str
    lon: float
    lat: float
    megawatt: float

    @property
    def total(self) -> float:
        """Mt CO2 per year."""
        return self.megawatt * TONNES_PER_MEGAWATT * 1e-6


@dataclass(frozen=True)
class Works:
    """A large industrial point in the city with id `city`: refinery, steel, cement; `total` in Mt CO2 per year."""

    name: str
    city: str
    lon: float
    lat: float
    total: float


@dataclass(frozen=True)
class Ridge:
    """Hills with a Gaussian profile.

    Parameters
    ----------
    azimuth
        Of the ridge line, degrees from north.
    length, width
        Standard deviation along and across, km.
    height
        Of the smoothed ground, m: less than the summits.
    """

    name: str
    lon: float
    lat: float
    azimuth: float
    length: float
    width: float
    height: float


CITIES = (
    City("330100", "Hangzhou", 120.17, 30.26, 55.0, 14.0),
    City("330200", "Ningbo", 121.55, 29.87, 85.0, 12.0),
    City("330300", "Wenzhou", 120.70, 28.00, 44.0, 11.0),
    City("330400", "Jiaxing", 120.76, 30.75, 40.0, 11.0),
    City("330500", "Huzhou", 120.09, 30.89, 30.0, 9.0),
    City("330600", "Shaoxing", 120.58, 30.03, 38.0, 11.0),
    City("330700", "Jinhua", 119.65, 29.08, 32.0, 10.0),
    City("330800", "Quzhou", 118.87, 28.94, 26.0, 8.0),
    City("330900", "Zhoushan", 122.11, 30.02, 16.0, 7.0),
    City("331000", "Taizhou", 121.42, 28.66, 42.0, 10.0),
    City("331100", "Lishui", 119.92, 28.45, 8.0, 7.0),
)

#: emitters outside the province but inside the grid; they stand for their whole region
NEIGHBOURS = (
    City("310000", "Shanghai", 121.47, 31.23, 190.0, 18.0),
    City("320500", "Suzhou and Wuxi", 120.50, 31.35, 150.0, 16.0),
    City("341800", "Xuancheng", 118.76, 30.94, 22.0, 9.0),
    City("361100", "Shangrao", 118.10, 28.45, 18.0, 9.0),
    City("350900", "Ningde", 120.05, 27.10, 12.0, 7.0),
)

#: points a city may have
Point = Plant | Works

PLANTS = (
    Plant("Beilun", "330200", 121.81, 29.94, 5060),
    Plant("Ninghai", "330200", 121.51, 29.48, 4400),
    Plant("Wushashan", "330200", 121.66, 29.51, 2400),
    Plant("Jiaxing", "330400", 121.14, 30.63, 5000),
    Plant("Yuhuan", "331000", 121.14, 28.11, 4200),
    Plant("Taizhou 2", "331000", 121.70, 29.01, 2000),
    Plant("Yueqing", "330300", 121.09, 28.17, 2520),
    Plant("Wenzhou", "330300", 120.84, 28.00, 2520),
    Plant("Cangnan", "330300", 120.66, 27.50, 2000),
    Plant("Lanxi", "330700", 119.51, 29.19, 2400),
    Plant("Liuheng", "330900", 122.13, 29.76, 2000),
    Plant("Changxing", "330500", 119.93, 30.99, 2520),
)

#: positions within some km; amounts are of the right order for a plant of its kind, no more
WORKS = (
    Works("Zhenhai refinery", "330200", 121.65, 29.97, 9.0),
    Works("Ningbo steel", "330200", 121.88, 29.91, 7.0),
    Works("Yushan petrochemical", "330900", 121.98, 30.30, 6.0),
    Works("Changxing cement", "330500", 119.85, 30.92, 5.0),
    Works("Lanxi cement", "330700", 119.40, 29.15, 3.5),
    Works("Jiande cement", "330100", 119.35, 29.45, 5.0),
    Works("Changshan cement", "330800", 118.55, 28.92, 4.0),
    Works("Quzhou chemistry", "330800", 118.88, 28.88, 3.0),
)

#: trunk roads, by the cities they join
ROADS = (
    ("310000", "330400"), ("330400", "330100"), ("330100", "330600"), ("330600", "330200"), ("330200", "331000"),
    ("331000", "330300"), ("330100", "330500"), ("330500", "320500"), ("330600", "330700"), ("330700", "330800"),
    ("330700", "331100"), ("331100", "330300"), ("330200", "330900"), ("330400", "330200"), ("330100", "330700"),
)  # fmt: skip

#: the hills of the province, coarsely
RIDGES = (
    Ridge("Tianmu", 119.35, 30.35, 60.0, 45.0, 16.0, 700.0),
    Ridge("Baiji", 118.65, 29.95, 55.0, 45.0, 16.0, 650.0),
    Ridge("Qianligang", 119.05, 29.35, 55.0, 40.0, 13.0, 450.0),
    Ridge("Xianxia", 118.75, 28.40, 55.0, 50.0, 16.0, 800.0),
    Ridge("Donggong", 119.35, 27.85, 50.0, 55.0, 22.0, 950.0),
    Ridge("Kuocang", 120.55, 28.75, 50.0, 32.0, 14.0, 700.0),
    Ridge("Yandang", 120.85, 28.40, 30.0, 22.0, 10.0, 500.0),
    Ridge("Dapan", 120.60, 29.10, 40.0, 25.0, 14.0, 550.0),
    Ridge("Tiantai", 121.10, 29.25, 30.0, 20.0, 12.0, 450.0),
    Ridge("Siming", 121.05, 29.72, 30.0, 18.0, 11.0, 480.0),
    Ridge("Kuaiji", 120.45, 29.60, 10.0, 28.0, 10.0, 380.0),
    Ridge("Longmen", 119.85, 29.75, 45.0, 30.0, 11.0, 420.0),
    Ridge("Huaiyu", 118.20, 28.95, 60.0, 30.0, 15.0, 550.0),
)

#: a coarse coastline and the islands of Zhoushan, (lon, lat): enough to tell land from sea at 10 km
MAINLAND = (
    (112.0, 22.0), (118.1, 24.4), (119.7, 25.6), (119.8, 26.6), (120.5, 27.1), (120.65, 27.7), (121.0, 28.0),
    (121.2, 28.1), (121.55, 28.3), (121.65, 28.7), (121.75, 29.2), (121.95, 29.3), (122.0, 29.7), (122.05, 29.95),
    (121.75, 30.0), (121.5, 30.2), (121.2, 30.38), (120.9, 30.2), (120.75, 30.35), (121.0, 30.58), (121.3, 30.7),
    (121.9, 30.85), (121.95, 31.2), (121.8, 31.7), (121.3, 32.5), (112.0, 40.0),
)  # fmt: skip
ISLANDS = ((121.95, 30.18), (122.05, 29.98), (122.4, 29.85), (122.4, 30.02), (122.1, 30.2))
