"""Reports: what was measured as one HTML page that needs no other file."""
