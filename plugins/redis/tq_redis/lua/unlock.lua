-- End locks where they are their owners' still.
--
-- KEYS  the locks
-- ARGV  the owner of each

for at, lock in ipairs(KEYS) do
  unlock(lock, ARGV[at])
end
