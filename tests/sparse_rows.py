"""Sparse rows in segments, as kernels take them, and the dense array they stand for."""

import numpy as np

NY, NX, HOURS = 5, 6, 4
CELLS = NY * NX


class Sparse:
    """Rows of segments with random entries; some rows and hours are empty."""

    def __init__(self, dtype, rows=7, seed=1):
        random = np.random.default_rng(seed)
        self.dense = random.standard_normal((rows, HOURS, CELLS)) * (random.random((rows, HOURS, CELLS)) < 0.3)
        self.dense[2] = 0
        self.dense[:, 1] *= random.random((rows, 1)) < 0.5
        row, hour = np.nonzero(np.any(self.dense != 0, axis=2))
        cells = [np.flatnonzero(self.dense[r, t]) for r, t in zip(row, hour, strict=True)]
        self.row, self.hour = row.astype(np.int64), hour.astype(np.int64)
        self.row_start = np.searchsorted(row, np.arange(rows + 1)).astype(np.int64)
        self.start = np.concatenate([[0], np.cumsum([c.size for c in cells])]).astype(np.int64)
        self.cell = np.concatenate(cells).astype(np.uint32)
        values = [self.dense[r, t, c] for r, t, c in zip(row, hour, cells, strict=True)]
        self.value = np.concatenate(values).astype(dtype)
