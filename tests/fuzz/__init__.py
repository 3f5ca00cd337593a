"""Every decoder of somebody else's bytes, fuzzed: shortly by hypothesis in each test run, longer by `nox -s fuzz`."""
