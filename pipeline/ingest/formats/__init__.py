"""Readers of foreign station files, one format a file. Each returns `Samples`: what the file says, nothing judged."""
