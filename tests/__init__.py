"""Tests of the whole system, and what the tests of all parts share."""
