"""`make bench`: run every case and print what it measured."""

from benchmarks.cases import SIZES, machine, run_all, table

print(machine())
print(table(run_all(SIZES["full"])))
