"""The structure-aware adapter (SES-Adapter, arXiv 2404.14850)."""
