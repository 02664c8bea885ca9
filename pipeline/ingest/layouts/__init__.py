"""Layouts of footprint files made elsewhere, one file a layout; `pipeline.ingest.footprints` joins their rows."""
