-- Create or replace rows whose revision is still the one that was read.
--
-- KEYS  1 leader, 2 entries, 3 states (each state is "<revision>:<JSON>")
-- ARGV  for each row: name, revision (0: not there yet), entry, state
-- Returns for each row 1, or 0 if its revision is another one

local reply, changed = {}, false
for at = 1, #ARGV, 4 do
  local name, revision = ARGV[at], ARGV[at + 1]
  local known = redis.call('HGET', KEYS[3], name)
  local current = known and string.match(known, '^(%d+):') or '0'
  local fits = current == revision
  if fits then
    redis.call('HSET', KEYS[2], name, ARGV[at + 2])
    redis.call('HSET', KEYS[3], name, string.format('%d:%s', tonumber(revision) + 1, ARGV[at + 3]))
    changed = true
  end
  reply[#reply + 1] = fits and 1 or 0
end
if changed then
  redis.call('HINCRBY', KEYS[1], 'version', 1)
end
return reply
