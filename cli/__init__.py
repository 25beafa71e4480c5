"""Command line of sesstore: parses, calls the library, prints."""
