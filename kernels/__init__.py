"""Numba kernels: plain arrays in SI in, plain arrays out; no xarray, no I/O, no raising.

`jit` owns the compiler's options, the cache and the thread count; `exponential` holds the recursions behind the
separable exponential covariance.
"""
