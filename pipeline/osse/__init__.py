"""The simulated province, written as files in the real formats, and the score of an inversion of them."""

from pipeline.osse.demo import make_demo
from pipeline.osse.score import print_score, score, summary

__all__ = ["make_demo", "print_score", "score", "summary"]
