"""Where datasets, encoders, structures and store meet, one file a job."""
