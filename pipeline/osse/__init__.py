"""The simulated province, written as files in the real formats, and the score of an inversion of them."""

from pipeline.osse.deliveries import Deliveries, Late, on_time
from pipeline.osse.demo import make_demo
from pipeline.osse.detect import detect, print_detection
from pipeline.osse.faults import FAULTS, fault_names
from pipeline.osse.make import Timing, make_case
from pipeline.osse.plan import Plan
from pipeline.osse.score import Figure, figures, print_score, score, summary
from pipeline.osse.weather import TransportError

__all__ = [
    "FAULTS",
    "Deliveries",
    "Figure",
    "Late",
    "Plan",
    "Timing",
    "TransportError",
    "detect",
    "fault_names",
    "figures",
    "make_case",
    "make_demo",
    "on_time",
    "print_detection",
    "print_score",
    "score",
    "summary",
]
