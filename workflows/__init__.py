"""Cases and batch flows."""
