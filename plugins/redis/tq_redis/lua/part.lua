-- Count the end of a member of a group; Celery 5.7's keys and their meaning, so that its workers count along.
--
-- KEYS  1 parts (sorted set)  2 growth  3 size  4 members seen  5 structure  6 claim
-- ARGV  1 member "<task id>:<index>"  2 part  3 index  4 seconds to live, 0: for ever
--       5 "1" if it did not succeed
-- Returns nothing, or all parts and the structure: it is for the caller to go on

local claim = redis.call('GET', KEYS[6])
if claim == 'done' then
  return false
end
-- Celery makes a list instead where `result_chord_ordered` is off.
local list = redis.call('TYPE', KEYS[1]).ok == 'list'
if redis.call('SADD', KEYS[4], ARGV[1]) == 1 then
  if list then
    redis.call('RPUSH', KEYS[1], ARGV[2])
  else
    redis.call('ZADD', KEYS[1], ARGV[3], ARGV[2])
  end
end
local live = tonumber(ARGV[4])
if live > 0 then
  for number = 1, 5 do
    redis.call('EXPIRE', KEYS[number], live)
  end
end
local size = redis.call('GET', KEYS[3])
if not size then
  return false
end
local count = list and redis.call('LLEN', KEYS[1]) or redis.call('ZCARD', KEYS[1])
local complete = count >= tonumber(size) + tonumber(redis.call('GET', KEYS[2]) or 0)
if not claim and (complete or ARGV[5] == '1') then
  claim = ARGV[1]
end
if claim ~= ARGV[1] then
  return false
end
if live > 0 then
  redis.call('SET', KEYS[6], claim, 'EX', live)
else
  redis.call('SET', KEYS[6], claim)
end
local parts = list and redis.call('LRANGE', KEYS[1], 0, -1) or redis.call('ZRANGE', KEYS[1], 0, -1)
return {parts, redis.call('GET', KEYS[5])}
