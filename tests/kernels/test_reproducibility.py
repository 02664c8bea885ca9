"""A particle's way depends on its key and its weather alone: not on threads, order, lanes or slots, to the bit."""

import dataclasses
from concurrent.futures import ThreadPoolExecutor

import numba
import numpy as np
import pytest
from particle_weather import releases, trace, weather

# the hash wraps round on purpose; only plain numpy warns of it
pytestmark = pytest.mark.filterwarnings("ignore:overflow encountered")
HOUR = 3600.0
THIN = (1.0, 0.3, 0.0, 1e6)
LAYER = THIN if numba.config.DISABLE_JIT else (900.0, 0.35, 1.4, -40.0)
TRAVEL = (0.2 if numba.config.DISABLE_JIT else 2.0) * HOUR
COUNT = 20 if numba.config.DISABLE_JIT else 150


def flow(x, y, z, t):
    return (1 + z / 1500 + 0.1 * y) / HOUR, (0.5 - t / 7200 + 0.05 * x) / HOUR, 0.02 * np.sin(z / 955), 1.2 - 8e-5 * z


def air():
    return weather(flow, (9, 12), 4, layer=LAYER, metre=1e-4, dilution=0.5 * 900 / LAYER[0])


def start(count=COUNT, late=3.6):
    random = np.random.default_rng(9)
    position = random.random((500, 3))[:count]
    return releases(count, 7 + position[:, 0], 4 + position[:, 1], 1500 * position[:, 2], late * HOUR, weight=0.01)


def same(run, other):
    for one, two in zip(run.arrays, other.arrays, strict=True):
        np.testing.assert_array_equal(one, two)


def test_a_receptor_is_the_same_alone_and_after_others():
    alone = trace(air(), start(), TRAVEL, receptor=5)
    for other in (3, 4):
        trace(air(), start(), TRAVEL, receptor=other)
    same(trace(air(), start(), TRAVEL, receptor=5), alone)
    assert (alone.footprint > 0).any()


@pytest.mark.parametrize("key", [{"seed": 2}, {"receptor": 2}])
def test_other_keys_go_other_ways(key):
    given = {"seed": 1, "receptor": 1}
    one, other = (trace(air(), start(), TRAVEL, **{**given, **changed}) for changed in ({}, key))
    assert (one.end[:, 2] != other.end[:, 2]).all()


@pytest.mark.parametrize("threads", [1, 2])
def test_threads_do_not_change_a_bit(threads):
    shared, begin = air(), start()
    serial = [trace(shared, begin, TRAVEL, receptor=number) for number in range(4)]
    with ThreadPoolExecutor(threads) as pool:
        jobs = [pool.submit(trace, shared, begin, TRAVEL, receptor=number) for number in range(4)]
        for job, expected in zip(jobs, serial, strict=True):
            same(job.result(), expected)


@pytest.mark.parametrize("count", [1, 15, 16, 17])
def test_the_number_of_particles_does_not_change_a_particle(count):
    few, many = (trace(air(), start(number), TRAVEL) for number in (count, COUNT))
    np.testing.assert_array_equal(few.end, many.end[:count])


def test_particles_that_end_at_once_do_not_change_the_others():
    begin = start()
    begin[::3, 2] = -1.0
    some, every = trace(air(), begin, TRAVEL), trace(air(), start(), TRAVEL)
    kept = np.arange(COUNT) % 3 > 0
    np.testing.assert_array_equal(some.end[kept], every.end[kept])


def test_weights_change_the_footprint_alone():
    begin = start()
    begin[:, 4] = 0.02
    heavy, light = trace(air(), begin, TRAVEL), trace(air(), start(), TRAVEL)
    np.testing.assert_array_equal(heavy.end, light.end)
    np.testing.assert_array_equal(heavy.footprint, 2 * light.footprint)


def test_releases_at_different_times_share_a_run():
    early, late = start(late=2.9), start(late=3.6)
    mixed = early.copy()
    mixed[1::2] = late[1::2]
    run = trace(air(), mixed, TRAVEL, hour=3)
    for begin, part in ((early, slice(0, None, 2)), (late, slice(1, None, 2))):
        np.testing.assert_array_equal(run.end[part], trace(air(), begin, TRAVEL, hour=3).end[part])


def test_a_ring_of_slots_gives_the_same_bits_as_all_times():
    every = air()
    # releases at 3.6 h that travel two hours see the weather of hours 1 to 4
    ring = dataclasses.replace(
        every,
        volume=np.stack([every.volume[4], every.volume[1], every.volume[2], every.volume[3]]),
        surface=np.stack([every.surface[4], every.surface[1], every.surface[2], every.surface[3]]),
        bounds=np.array([1, 4, 4]),
    )
    same(trace(ring, start(), TRAVEL), trace(every, start(), TRAVEL))


def test_a_run_adds_to_what_its_arrays_hold():
    one = trace(air(), start(), TRAVEL)
    twice = trace(air(), start(), TRAVEL, into=one.footprint.copy())
    np.testing.assert_allclose(twice.footprint, 2 * one.footprint, rtol=1e-12)
