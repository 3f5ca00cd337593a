-- End a leadership.
--
-- KEYS  1 leader
-- ARGV  1 owner

if redis.call('HGET', KEYS[1], 'owner') == ARGV[1] then
  redis.call('HSET', KEYS[1], 'owner', '')
end
return 1
