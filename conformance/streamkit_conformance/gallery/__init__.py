"""Providers that keep every rule, and mutants that break one each on purpose.

A rule is worth what it catches: each is killed by the mutants that name it, and no mutant by
another rule than it names.
"""

from streamkit_conformance.gallery.references import REFERENCES

__all__ = ["REFERENCES"]
