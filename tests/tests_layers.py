"""Three boundary layers: h m, u* m s-1, w* m s-1, L m."""

LAYERS = {
    "unstable": (1200.0, 0.35, 1.8, -40.0),
    "neutral": (800.0, 0.6, 0.0, 4000.0),
    "stable": (250.0, 0.2, 0.0, 60.0),
}
