"""The definitions of tq's own settings, one file a group."""
