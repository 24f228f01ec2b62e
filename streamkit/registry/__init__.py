"""Finds, describes and loads plug-ins; nothing else loads entry points."""
