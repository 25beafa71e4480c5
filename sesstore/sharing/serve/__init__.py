"""Stores over HTTP: the server, what it says of a store, and the page that shows it."""
