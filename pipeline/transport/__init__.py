"""Receptors to footprints."""

from pipeline.transport.plume import Plume, plume_footprints

__all__ = ["Plume", "plume_footprints"]
