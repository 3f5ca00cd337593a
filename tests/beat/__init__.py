"""Several beats as real processes: one is killed or sleeps, and every tick is sent once."""
