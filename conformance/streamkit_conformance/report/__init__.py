"""One report, and the forms in which it is read."""
