-- Start, grow or end a group.
--
-- KEYS  1 parts  2 growth  3 size  4 members seen  5 structure  6 claim  7 who was added
-- ARGV  1 "start", "fresh", "grow" or "end"  2 seconds to live, 0: for ever
--       3 the size, or the task that is added  4 structure or empty

local doing, live = ARGV[1], tonumber(ARGV[2])

local function set(key, value)
  if live > 0 then
    redis.call('SET', key, value, 'EX', live)
  else
    redis.call('SET', key, value)
  end
end

if doing == 'end' then
  redis.call('DEL', KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[7])
  set(KEYS[6], 'done')
elseif doing == 'grow' then
  if redis.call('SADD', KEYS[7], ARGV[3]) == 1 then
    redis.call('INCR', KEYS[2])
  end
  if live > 0 then
    redis.call('EXPIRE', KEYS[2], live)
    redis.call('EXPIRE', KEYS[7], live)
  end
else
  if doing == 'fresh' then
    redis.call('DEL', KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7])
  elseif redis.call('EXISTS', KEYS[3], KEYS[6]) > 0 then
    return 0
  end
  set(KEYS[3], ARGV[3])
  if ARGV[4] ~= '' then
    set(KEYS[5], ARGV[4])
  end
end
return 1
