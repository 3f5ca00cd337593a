-- Read rows, entry and state of one moment.
--
-- KEYS  1 entries, 2 states
-- ARGV  names; none: all
-- Returns name, entry, state of each row that is there

local names = #ARGV > 0 and ARGV or redis.call('HKEYS', KEYS[1])
local reply = {}
for _, name in ipairs(names) do
  local entry, state = redis.call('HGET', KEYS[1], name), redis.call('HGET', KEYS[2], name)
  if entry and state then
    reply[#reply + 1] = name
    reply[#reply + 1] = entry
    reply[#reply + 1] = state
  end
end
return reply
