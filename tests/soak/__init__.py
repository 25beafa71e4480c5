"""Torture of a store: faults, corruptions, bad inputs; ``python -m tests.soak``."""
