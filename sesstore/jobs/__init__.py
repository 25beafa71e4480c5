"""Where datasets, encoders, structures and store meet."""
