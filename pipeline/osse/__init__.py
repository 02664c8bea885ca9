"""The simulated province, written as files in the real formats."""
