"""Plugins that are wrong on purpose, each in one way; the suite must fail each by the test it names.

A mutant that no test catches is a bug of the suite. Read them as a list of what goes wrong in plugins.
"""
