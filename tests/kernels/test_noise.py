"""Counter-based deviates are standard normal, independent, and a pure function of their key."""

import numba
import numpy as np
import pytest
from scipy import stats

from kernels import noise
from kernels.jit import kernel

# the hash wraps round on purpose; only plain numpy warns of it
pytestmark = pytest.mark.filterwarnings("ignore:overflow encountered")
COUNT = 3_000 if numba.config.DISABLE_JIT else 400_000
#: of the tests of many bins and lags, in standard errors
MOST = 4.5


@kernel
def draw(seed, receptor, particle, first, along_steps, out):
    """Fill out (n, 3) with the draws of n steps of one particle, or of one step of n particles."""
    high, low = noise.stream_key(seed, receptor, particle)
    for i in range(out.shape[0]):
        if along_steps:
            step = np.uint32(first + i)
        else:
            high, low = noise.stream_key(seed, receptor, particle + i)
            step = np.uint32(first)
        out[i, 0], out[i, 1], out[i, 2] = noise.deviates(high, low, step)


def stream(seed=1, receptor=2, particle=3, count=COUNT, first=0, along_steps=True):
    out = np.empty((count, 3), np.float32)
    draw(seed, receptor, particle, first, along_steps, out)
    return out.astype(np.float64)


def standard(values, expected=0.0):
    """Deviation of a mean from its expectation, in standard errors."""
    return (values.mean() - expected) / (values.std() / np.sqrt(values.size))


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("along_steps", [True, False], ids=["steps", "particles"])
def test_moments_are_those_of_a_standard_normal(which, along_steps):
    x = stream(along_steps=along_steps)[:, which]
    for power, expected in ((1, 0.0), (2, 1.0), (3, 0.0), (4, 3.0), (6, 15.0)):
        assert abs(standard(x**power, expected)) < MOST
    assert np.abs(x).max() < 5.9


@pytest.mark.parametrize("which", [0, 1])
def test_the_distribution_passes_kolmogorov_and_smirnov(which):
    assert stats.kstest(stream()[:, which], "norm").pvalue > 1e-3


@pytest.mark.parametrize("along_steps", [True, False], ids=["steps", "particles"])
def test_the_uniform_is_uniform(along_steps):
    uniform = stream(along_steps=along_steps)[:, 2]
    assert uniform.min() >= 0
    assert uniform.max() < 1
    assert stats.chisquare(np.histogram(uniform, bins=64, range=(0, 1))[0]).pvalue > 1e-3


@pytest.mark.parametrize("along_steps", [True, False], ids=["steps", "particles"])
def test_the_three_deviates_are_independent(along_steps):
    one, other, uniform = stream(along_steps=along_steps).T
    uniform = (uniform - 0.5) * np.sqrt(12)
    # correlations of the values and of their squares: Box and Muller's radius is shared by both normals
    for a, b in ((one, other), (one, uniform), (other, uniform)):
        for f in (lambda v: v, lambda v: v**2 - np.mean(v**2), np.abs):
            assert abs(standard(f(a) * f(b), f(a).mean() * f(b).mean())) < MOST


def test_the_uniform_does_not_depend_on_the_size_of_the_normals():
    one, other, uniform = stream().T
    for given in (np.hypot(one, other) > 2.5, np.abs(one) < 0.1, other > 1.5):
        assert abs(standard(uniform[given], 0.5)) < MOST


@pytest.mark.parametrize("which", [0, 1, 2])
@pytest.mark.parametrize("along_steps", [True, False], ids=["steps", "particles"])
def test_neighbours_are_uncorrelated_at_every_lag(which, along_steps):
    x = stream(along_steps=along_steps)[:, which]
    x = (x - x.mean()) / x.std()
    for lag in (1, 2, 3, 7, 16, 64, 256, 1024):
        assert abs(standard(x[lag:] * x[:-lag])) < MOST


@pytest.mark.parametrize("other", [{"seed": 2}, {"receptor": 3}, {"particle": 4}, {"seed": 0}, {"receptor": 2**40}])
def test_streams_of_other_keys_are_uncorrelated(other):
    a, b = stream(), stream(**other)
    for which in range(3):
        assert abs(np.corrcoef(a[:, which], b[:, which])[0, 1]) < MOST / np.sqrt(COUNT)
        assert not np.array_equal(a[:, which], b[:, which])


def test_outer_draws_are_apart_from_those_of_sub_steps():
    a, b = stream(), stream(first=0x40000000)
    assert abs(np.corrcoef(a[:, 0], b[:, 0])[0, 1]) < MOST / np.sqrt(COUNT)


def test_a_draw_is_a_pure_function_of_its_key_and_step():
    long = stream(count=200)
    np.testing.assert_array_equal(stream(count=50), long[:50])
    np.testing.assert_array_equal(stream(count=50, first=120), long[120:170])
    np.testing.assert_array_equal(stream(count=1, particle=3, along_steps=False), long[:1])


def test_no_two_particles_share_a_key():
    keys = {noise.stream_key(seed, r, p) for seed in (0, 1) for r in range(10) for p in range(50)}
    assert len(keys) == 1000


def test_mixing_is_a_bijection_that_moves_half_of_the_bits():
    words = np.random.default_rng(3).integers(0, 2**32, 300, dtype=np.uint64)
    flipped = []
    for word in words:
        at = noise.mix(np.uint64(word))
        flipped += [bin(int(at) ^ int(noise.mix(np.uint64(word) ^ np.uint64(1 << bit)))).count("1") for bit in (0, 31)]
    assert np.mean(flipped) == pytest.approx(32, abs=1)
    assert len({int(noise.mix(np.uint64(word))) for word in range(500)}) == 500
