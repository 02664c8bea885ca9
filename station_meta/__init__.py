"""Facts about stations: one row per station and validity period, with sources."""
