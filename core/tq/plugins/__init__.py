"""Plugins: `registry` finds the one driver that a URL or a name asks for, `hooks` tells every observer."""
