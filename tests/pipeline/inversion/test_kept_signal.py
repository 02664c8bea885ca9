"""What earlier windows left changes no number: the signal is that of a window alone, to the bit."""

import dataclasses
import multiprocessing

import numpy as np
import pytest
import scipy.sparse
import small_problem as small

from pipeline.inversion import Problem, Span, hourly_functionals, kept_signal, signal

BACK, HOURS, STATIONS, TOTAL = 3, 10, 12, 24  # of a window's lead, of a window, an hour, of all that is simulated
CELLS = int(np.prod(small.SHAPE[1:]))
SIZE = STATIONS * (TOTAL - BACK)
REGIONS = scipy.sparse.csr_array(np.random.default_rng(9).random((3, CELLS)) * (np.arange(CELLS) % 3 > 0))


class Stream:
    """Footprints and sigma of many hours, and the windows over them."""

    def __init__(self, kind="separable", dtype=np.float32, seed=5):
        random = np.random.default_rng(seed)
        self.kind, self.dtype = kind, dtype
        self.hour = BACK + np.arange(SIZE) // STATIONS
        self.footprint = random.random((SIZE, BACK + 1, CELLS)) * (random.random((SIZE, BACK + 1, CELLS)) < 0.3)
        self.footprint[5 * STATIONS] = 0.0  # one without an entry
        self.footprint[5 * STATIONS + 2] = self.footprint[5 * STATIONS + 1]  # two sensors side by side
        self.sigma = random.uniform(0.3, 2.0, (2, TOTAL, *small.SHAPE[1:])).astype(dtype)
        self.share = (random.random((2, SIZE)) < 0.9).astype(float)

    def window(self, start, *, late=(), spans=True):
        """The window of HOURS hours from one on, without some observations."""
        inside = (self.hour >= start + BACK) & (self.hour < start + HOURS)
        inside[list(late)] = False
        chosen = np.flatnonzero(inside)
        hour = self.hour[chosen] - start
        dense = np.zeros((chosen.size, HOURS, CELLS))
        for row, at in enumerate(hour):
            dense[row, at - BACK : at + 1] = self.footprint[chosen[row]]
        m = chosen.size
        sigma = self.sigma[:, start : start + HOURS]
        return Problem(
            value=np.full(m, 400.0),
            variance=np.ones(m),
            background=np.full(m, 399.0),
            errors=(),
            footprint=scipy.sparse.csr_array(dense.reshape(m, -1).astype(self.dtype)),
            prior=np.zeros_like(sigma),
            covariances=small.covariances(sigma, self.kind),
            share=self.share[:, chosen],
            span=Span(hour - BACK, hour) if spans else None,
        )


def totals(problem):
    return hourly_functionals(REGIONS, HOURS, problem.covariances[0].dtype)


def require_same(problem, folder, start, **options):
    """Hold the kept signal against that made alone; return how many rows were smoothed for it."""
    alone = signal(problem, functionals=totals(problem))
    found = kept_signal(problem, folder, start, functionals=totals(problem), **options)
    np.testing.assert_array_equal(found.system, alone.system)
    np.testing.assert_array_equal(found.totals, alone.totals)
    assert found.totals.dtype == alone.totals.dtype


class Counter:
    """Counts the products that are made."""

    def __init__(self):
        self.products = 0

    def __call__(self, sources, sector, asked, put):
        from pipeline.inversion.sources import in_threads

        self.products += int(asked.below.sum()) + asked.rows.size * (asked.right.size - asked.always)
        in_threads(1)(sources, sector, asked, put)


def made(problem, folder, start):
    counter = Counter()
    require_same(problem, folder, start, run=counter)
    return counter.products


@pytest.mark.parametrize("kind", small.KINDS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_windows_one_after_the_other_give_the_numbers_of_each_alone(kind, dtype, tmp_path):
    stream = Stream(kind, dtype)
    for start in (0, 1, 2, 5):
        require_same(stream.window(start), tmp_path, start)


def test_hours_without_stated_spans_are_those_of_the_entries(tmp_path):
    stream = Stream()
    for start in range(3):
        require_same(stream.window(start, spans=False), tmp_path, start)


def test_a_window_makes_only_what_is_new(tmp_path):
    stream = Stream()
    whole = made(stream.window(0), tmp_path, 0)
    m = stream.window(1).value.size
    # each sector: the new hour's rows against all before, their totals, and the others' totals of the new hour
    new = sum(range(m - STATIONS + 1, m + 1)) + STATIONS * 3 * HOURS + (m - STATIONS) * 3
    assert made(stream.window(1), tmp_path, 1) == 2 * new < whole
    assert made(stream.window(1), tmp_path, 1) == 0


def test_late_observations_fall_between_known_ones(tmp_path):
    stream = Stream()
    late = [3 * STATIONS + 4, 3 * STATIONS + 5, 6 * STATIONS]
    require_same(stream.window(1, late=late), tmp_path, 1)
    products = made(stream.window(1), tmp_path, 1)
    assert products < made(stream.window(1), tmp_path / "empty", 1) / 2
    # and one may be taken back
    assert made(stream.window(1, late=late[:1]), tmp_path, 1) == 0


def test_windows_in_any_order_give_the_same_numbers(tmp_path):
    stream = Stream()
    for start in (6, 2, 8, 3, 0):
        require_same(stream.window(start), tmp_path, start)


def test_observations_that_change_places_are_made_again(tmp_path):
    stream = Stream()
    problem = stream.window(0)
    require_same(problem, tmp_path, 0)
    order = np.arange(problem.value.size)
    order[:STATIONS] = order[:STATIONS][::-1]
    require_same(
        dataclasses.replace(
            problem,
            footprint=problem.footprint[order],
            share=problem.share[:, order],
            span=Span(problem.span.first[order], problem.span.last[order]),
        ),
        tmp_path,
        0,
    )


def test_sigma_of_one_hour_spoils_only_what_reaches_it(tmp_path):
    stream = Stream()
    require_same(stream.window(0), tmp_path, 0)
    stream.sigma[:, HOURS - 1] *= 1.5
    m = stream.window(0).value.size
    new = sum(range(m - STATIONS + 1, m + 1)) + STATIONS * 3 * HOURS + (m - STATIONS) * 3
    assert made(stream.window(0), tmp_path, 0) == 2 * new


@pytest.mark.parametrize("change", ["length", "hours", "precision", "grid", "share"])
def test_another_prior_takes_nothing_of_this_one(change, tmp_path, monkeypatch):
    stream = Stream()
    require_same(stream.window(0), tmp_path, 0)
    if change == "precision":
        stream = Stream(dtype=np.float64)
    elif change == "share":
        stream.share = 1.0 - 0.5 * stream.share
    else:
        options = {"length": 40.0, "hours": 5.0} | ({} if change == "grid" else {change: 7.0})
        grid = small.GRID
        if change == "grid":
            grid = type(grid).from_centres("EPSG:4326", 118.0 + 0.2 * np.arange(5), 28.0 + 0.25 * np.arange(4))
        from pipeline.inversion import sector_covariance

        monkeypatch.setattr(
            small, "covariances", lambda sigma, kind: tuple(sector_covariance(s, grid, **options) for s in sigma)
        )
    require_same(stream.window(0), tmp_path, 0)


def pieces(folder):
    return sorted(folder.glob("*.piece"))


def cut(path):
    path.write_bytes(path.read_bytes()[:-7])


def flip(path, at=-100):
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def flip_head(path):
    flip(path, 45)


def flip_length(path):
    flip(path, 39)


def flip_digest(path):
    flip(path, 3)


def flip_name(path):
    flip(path, 200)


def empty(path):
    path.write_bytes(b"")


def longer(path):
    path.write_bytes(path.read_bytes() + b"0")


def swap(path):
    other = next(p for p in pieces(path.parent) if p != path)
    path.write_bytes(other.read_bytes())


DAMAGES = [cut, flip, flip_head, flip_length, flip_digest, flip_name, empty, longer, swap, lambda path: path.unlink()]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_piece_is_only_slow(damage, tmp_path):
    stream = Stream()
    for start in range(3):
        kept_signal(stream.window(start), tmp_path, start, functionals=totals(stream.window(start)))
    for path in pieces(tmp_path)[::2]:
        damage(path)
    require_same(stream.window(3), tmp_path, 3)
    # what was made again is there now
    assert made(stream.window(3), tmp_path, 3) == 0


def test_pieces_that_no_later_window_can_use_are_removed(tmp_path):
    stream = Stream()
    for start in range(12):
        kept_signal(stream.window(start), tmp_path, start)
    assert all(int(path.name.split("-")[0]) >= 11 for path in pieces(tmp_path))
    assert not [path for path in tmp_path.iterdir() if path.suffix != ".piece"]


def _run(folder, start):
    stream = Stream()
    for at in range(start, start + 4):
        require_same(stream.window(at), folder, at)


def test_two_processes_at_once_do_not_hurt_each_other(tmp_path):
    context = multiprocessing.get_context("spawn")
    both = [context.Process(target=_run, args=(tmp_path, start)) for start in (0, 2)]
    for process in both:
        process.start()
    for process in both:
        process.join()
    assert [process.exitcode for process in both] == [0, 0]
    assert made(Stream().window(5), tmp_path, 5) == 0


def test_the_code_that_names_stand_for_is_what_products_reach():
    """Whatever `cross` and `sources` import of the package counts; what states the problem is in the rows by then."""
    import ast
    from pathlib import Path

    from pipeline.inversion import signal_keys

    folder, stated = Path(signal_keys.__file__).parent, {"problem"}
    reached, more = set(), {"kept_signal", "cross", "sources"}
    while more:
        name = more.pop()
        reached.add(name)
        for node in ast.walk(ast.parse((folder / f"{name}.py").read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("pipeline.inversion."):
                more |= {node.module.rpartition(".")[2]} - reached - stated - {"solve"}
    assert reached == set(signal_keys._MAKERS)
