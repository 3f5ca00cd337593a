"""tq beside its peers, in one run on one server; figures are to be read as ratios."""
