"""Traces made by hand; they live with the helpers that all tests share."""

from tests.handmade_traces import *  # noqa: F403
