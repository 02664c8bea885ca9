"""How a service is: gathered from database, store and disk, judged, and told as JSON, metrics, a table and a page.

place -> gather -> Facts -> health -> Health -> text, metrics, page -> report (files of the service's folder)
"""

from pipeline.service.health.alarms import GREEN, KINDS, NOTICE, RED, YELLOW, Alarm, alarms
from pipeline.service.health.drawing import local
from pipeline.service.health.facts import BEIJING, Facts, Feed, Line, Run, SetAside
from pipeline.service.health.gather import HEALTH, gather
from pipeline.service.health.health import SCHEMA, Health, health
from pipeline.service.health.metrics import metrics
from pipeline.service.health.page import page
from pipeline.service.health.report import METRICS, PAGE, put, report

__all__ = [
    "BEIJING", "GREEN", "HEALTH", "KINDS", "METRICS", "NOTICE", "PAGE", "RED", "SCHEMA", "YELLOW", "Alarm", "Facts",
    "Feed", "Health", "Line", "Run", "SetAside", "alarms", "gather", "health", "local", "metrics", "page", "put",
    "report",
]  # fmt: skip
