"""Affine maps of packed rows on CPUs: by the matrix unit where there is one, else by torch."""
