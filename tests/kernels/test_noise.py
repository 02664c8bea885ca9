"""Counter-based deviates are standard normal, independent, and a pure function of their key."""

import numpy as np
import pytest

from kernels import noise

# the hash wraps round on purpose; only plain numpy warns of it
pytestmark = pytest.mark.filterwarnings("ignore:overflow encountered")
COUNT = 20_000


def stream(seed=1, receptor=2, particle=3, count=COUNT):
    out = np.empty((count, 2))
    noise.fill_normals(seed, receptor, particle, out)
    return out


def test_moments_are_those_of_a_standard_normal():
    deviates = stream().ravel()
    n = deviates.size
    assert abs(deviates.mean()) < 4 / np.sqrt(n)
    assert abs(deviates.var() - 1) < 4 * np.sqrt(2 / n)
    assert abs((deviates**3).mean()) < 4 * np.sqrt(15 / n)
    assert abs((deviates**4).mean() - 3) < 4 * np.sqrt(96 / n)
    assert np.abs(deviates).max() < 6.8


def test_the_distribution_passes_kolmogorov_and_smirnov():
    from scipy.stats import kstest

    assert kstest(stream().ravel(), "norm").pvalue > 1e-3


@pytest.mark.parametrize("other", [{"seed": 2}, {"receptor": 3}, {"particle": 4}])
def test_streams_of_other_keys_are_uncorrelated(other):
    a, b = stream().ravel(), stream(**other).ravel()
    assert abs(np.corrcoef(a, b)[0, 1]) < 4 / np.sqrt(a.size)


def test_neighbouring_particles_and_steps_are_uncorrelated():
    first = np.array([stream(particle=p, count=2) for p in range(4000)])
    for a, b in (
        (first[:-1, 0, 0], first[1:, 0, 0]),
        (first[:, 0, 0], first[:, 1, 0]),
        (first[:, 0, 0], first[:, 0, 1]),
    ):
        assert abs(np.corrcoef(a, b)[0, 1]) < 4 / np.sqrt(a.size)


def test_a_deviate_does_not_depend_on_how_many_are_drawn():
    assert np.array_equal(stream(count=50), stream(count=200)[:50])
