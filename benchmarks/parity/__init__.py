"""Our transport against other models' results: `python -m benchmarks.parity` writes docs/parity.md and its pictures."""
