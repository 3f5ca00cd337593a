"""The suites on a store that is there already: what `tq plugins check` runs, with pytest, in a process of its own."""
