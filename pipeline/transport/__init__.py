"""Receptors to footprints."""
