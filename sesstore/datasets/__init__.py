"""Labelled proteins in, Task out."""
