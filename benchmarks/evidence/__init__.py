"""The evidence: every figure and table of docs/evidence, rebuilt by one command (`python -m benchmarks.evidence`)."""
