"""Runs to pages: one self-contained HTML file each, and figures as SVG and PNG."""
