-- Read the ends of the messages that are taken next, where it says since when they are ready.
--
-- KEYS  lists
-- ARGV  1 bytes of each end
-- Returns for each list the end of its message; a list that is empty gives an empty text

local ends = {}
for at, key in ipairs(KEYS) do
  ends[at] = string.sub(redis.call('LINDEX', key, -1) or '', -ARGV[1])
end
return ends
