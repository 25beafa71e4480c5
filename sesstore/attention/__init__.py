"""Attention within each sequence of a packed batch: our kernel on a CPU, torch's elsewhere."""
