"""A run as a service: predictions over HTTP, a page for people and JSON for programs."""
