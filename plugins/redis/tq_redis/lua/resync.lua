-- Refuse every earlier request of a consumer that may still be on its way, and say what they lent.
--
-- KEYS  1 state; inflight of each queue
-- ARGV  1 running number reached   2 and on: pairs of first and last-but-one running number in doubt
-- Returns {-1} if the consumer is dead, else {1, receipt, element...} in order of receipts

local state = KEYS[1]
begin(KEYS[2])
local reached = redis.call('HGET', state, 'seq')
if not reached then
  return {-1}
end
if tonumber(ARGV[1]) > tonumber(reached) then
  redis.call('HSET', state, 'seq', ARGV[1])
end
local found = {}
for k = 2, #KEYS do
  for _, receipt in ipairs(redis.call('HKEYS', KEYS[k])) do
    local number = math.floor(tonumber(receipt) / 8192)
    for a = 2, #ARGV, 2 do
      if number >= tonumber(ARGV[a]) and number < tonumber(ARGV[a + 1]) then
        found[#found + 1] = {tonumber(receipt), KEYS[k]}
      end
    end
  end
end
table.sort(found, function(a, b) return a[1] < b[1] end)
local reply = {1}
for _, each in ipairs(found) do
  reply[#reply + 1] = each[1]
  reply[#reply + 1] = redis.call('HGET', each[2], string.format('%.0f', each[1]))
end
return reply
