"""`make bench`: run every case and print what it measured; `python -m benchmarks tiny` only tries that it runs."""

import sys

from benchmarks import transport
from benchmarks.cases import SIZES, machine, run_all, table

size = sys.argv[1] if len(sys.argv) > 1 else "full"
print(machine())
print(table(run_all(SIZES[size])))
print()
print(transport.report(transport.figures(transport.LOADS[size])))
