-- Write states, if the fence is the newest, where the revision is still the one that was read.
--
-- KEYS  1 leader, 2 states
-- ARGV  1 fence; then for each row: name, revision, state
-- Returns for each row 1 or 0

local leads = redis.call('HGET', KEYS[1], 'fence') == ARGV[1]
local reply = {}
for at = 2, #ARGV, 3 do
  local name, revision = ARGV[at], ARGV[at + 1]
  local known = leads and redis.call('HGET', KEYS[2], name)
  local fits = known and string.match(known, '^(%d+):') == revision
  if fits then
    redis.call('HSET', KEYS[2], name, string.format('%d:%s', tonumber(revision) + 1, ARGV[at + 2]))
  end
  reply[#reply + 1] = fits and 1 or 0
end
return reply
