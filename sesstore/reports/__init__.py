"""Runs to pages."""
