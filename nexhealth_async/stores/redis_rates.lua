-- One turn of one process: it reports, and is given places in the limits.
--
-- A limit of N per W is a sorted set of at most N places, each with the moment (microseconds) at
-- which it is free again; a place given before that moment begins there. A place given to a process
-- ends W after the report says it ended, and without a report as late as it can at all.
-- KEYS: state, held, pending, seen, then one set for each limit. ARGV[1]: the turn in JSON.

local state, held, pending, seen = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local turn = cjson.decode(ARGV[1])
local me, slack, lease = turn.me, turn.slack, turn.lease
local limits = {}
for at, name in ipairs(turn.names) do
  local limit = turn.limits[name]
  if limit then limits[name] = {key = KEYS[4 + at], count = limit[1], window = limit[2]} end
end

local function int(number) return string.format('%.0f', number) end

local function table_of(key)
  local flat, found = redis.call('HGETALL', key), {}
  for at = 1, #flat, 2 do found[flat[at]] = flat[at + 1] end
  return found
end

local function owner_of(place) return string.match(place, '^[^:]*') end

-- The server's clock. It does not go backwards by less than the slack; by more, memory is lost.
local time = redis.call('TIME')
local wall = tonumber(time[1]) * 1000000 + tonumber(time[2])

-- What scripts of ours cannot have left is deleted, all of it: it is as if the server had lost its
-- memory, and the processes tell again what they did. So nothing that anybody writes here holds up
-- or lets through more than a lost memory does.
local function whole(text, least, most)
  local number = text and #text <= 17 and string.match(text, '^%-?%d+$') and tonumber(text)
  return number and number >= least and number <= most and number
end
local function is_sound()
  for at, key in ipairs(KEYS) do
    local kind = redis.call('TYPE', key).ok
    local is_set = at > 4
    if kind ~= 'none' and kind ~= (is_set and 'zset' or 'hash') then return false end
    if kind ~= 'none' and not is_set and redis.call('HLEN', key) > turn.most_fields then return false end
  end
  for _, limit in pairs(limits) do
    if redis.call('ZCARD', limit.key) > 20 * limit.count + turn.most_fields then return false end
    limit.cards = redis.call('ZCARD', limit.key)
  end
  if redis.call('EXISTS', state) == 0 then
    for _, key in ipairs(KEYS) do
      if redis.call('EXISTS', key) == 1 then return false end
    end
    return true
  end
  for _, field in ipairs({'epoch', 'clock', 'calm', 'hint', 'silent', 'mourned'}) do
    if redis.call('HSTRLEN', state, field) > 64 then return false end
  end
  local kept = redis.call('HMGET', state, 'epoch', 'clock', 'calm', 'hint', 'silent', 'mourned')
  local clock = whole(kept[2], 0, wall + slack)
  return clock and kept[1] and string.match(kept[1], '^%w+%-%d+$')
    and whole(kept[3], -1e15, clock) and whole(kept[4], 1, turn.most_fields)
    and whole(kept[5], -1e15, clock) and (kept[6] == '0' or kept[6] == '1')
end
-- Who holds how many places; as many are in the sets.
local holds
local function are_counted()
  holds = {}
  local held_by_all = {}
  for name in pairs(limits) do holds[name], held_by_all[name] = {}, 0 end
  for field, text in pairs(table_of(held)) do
    local name, process = string.match(field, '^(.-)|(.*)$')
    if name and holds[name] then
      local number = whole(text, 1, limits[name].cards)
      if not number then return false end
      holds[name][process], held_by_all[name] = number, held_by_all[name] + number
    end
  end
  for name, limit in pairs(limits) do
    if held_by_all[name] ~= limit.cards then return false end
  end
  return true
end
local forgotten = not (is_sound() and are_counted())
if forgotten then
  redis.call('DEL', unpack(KEYS))
  are_counted()
end

local kept = {}
for _, field in ipairs({'epoch', 'clock', 'calm', 'hint', 'silent', 'mourned'}) do
  kept[field] = redis.call('HGET', state, field) or nil
end
local last = tonumber(kept.clock or wall)
local now = math.max(wall, last)
local epoch = kept.epoch or (me .. '-' .. int(wall))

-- What was done while this server did not listen, or before it lost its memory, is known to the
-- processes alone: for a window, each keeps to its share.
local calm, hint = tonumber(kept.calm or -1e15), tonumber(kept.hint or 1)
local silent = tonumber(kept.silent or -1e15)
local mourned = kept.mourned == '1'
if now - last > turn.gap then silent = now end
local lost = turn.epoch ~= '' and turn.epoch ~= epoch
if (lost and not mourned) or (turn.away > 0 and silent > calm and silent >= now - turn.away) then
  calm, hint = now, 1
end
if forgotten then calm, hint = now, turn.share end
mourned = mourned or lost or forgotten
hint = math.min(math.max(hint, turn.hint), turn.most_fields)
redis.call('HSET', state, 'epoch', epoch, 'clock', int(now), 'calm', int(calm), 'hint', int(hint),
  'silent', int(silent), 'mourned', mourned and '1' or '0')
redis.call('HSET', seen, me, int(now))

local function finish(fleet)
  for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, turn.keep) end
  return fleet
end

local fleet = 0
for process, at in pairs(table_of(seen)) do
  local moment = whole(at, 0, now)
  if not moment or now - moment > turn.remember then
    redis.call('HDEL', seen, process)
  else
    fleet = fleet + 1
  end
end

if lost then
  return finish(cjson.encode({epoch = epoch, fleet = fleet, lost = true}))
end

local changed = {}

local function count(name, process, by)
  local number = (holds[name][process] or 0) + by
  holds[name][process] = number > 0 and number or nil
  changed[name .. '|' .. process] = number
end

local function drop(name, place)
  if redis.call('ZREM', limits[name].key, place) == 1 then count(name, owner_of(place), -1) end
end

local function put(name, place, free_at)
  if redis.call('ZADD', limits[name].key, int(free_at), place) == 1 then
    count(name, owner_of(place), 1)
  end
end

-- What has ended.
for _, report in ipairs(turn.ended) do
  local class, place, age, used = report[1], report[2], report[3], report[4]
  for _, name in ipairs(turn.uses[class]) do
    local limit = limits[name]
    local free_at = redis.call('ZSCORE', limit.key, place)
    local due = now - age + (used and limit.window or 0)
    if free_at and due <= now then
      drop(name, place)
    elseif free_at and due < tonumber(free_at) then
      redis.call('ZADD', limit.key, int(due), place)
    end
  end
end
-- What left without a place of ours, or with one that was forgotten.
for nth, report in ipairs(turn.did) do
  for _, name in ipairs(turn.uses[report[1]]) do
    local due = now - report[2] + limits[name].window
    if due > now then put(name, me .. ':' .. turn.number .. ':did:' .. nth, due) end
  end
end
for name, limit in pairs(limits) do
  for _, place in ipairs(redis.call('ZRANGEBYSCORE', limit.key, '-inf', int(now))) do
    drop(name, place)
  end
  local latest = now + turn.farthest + lease + slack + limit.window
  for _, place in ipairs(redis.call('ZRANGEBYSCORE', limit.key, '(' .. int(latest), '+inf')) do
    drop(name, place)
  end
end

local shut = {}
for class in pairs(turn.uses) do
  local field = 'shut:' .. class
  local text = redis.call('HSTRLEN', state, field) <= 17 and redis.call('HGET', state, field)
  local until_ = whole(text, 0, now + turn.longest_shut)
  if not until_ then
    redis.call('HDEL', state, field)
    until_ = 0
  end
  if turn.shut[class] and now + turn.shut[class] > until_ then
    until_ = now + turn.shut[class]
    redis.call('HSET', state, 'shut:' .. class, int(until_))
  end
  if until_ > now then shut[class] = until_ - now end
end

-- Who waits for what: limit|process|class -> how many, until when that counts, since when.
local waits = {}
for field, value in pairs(table_of(pending)) do
  local name, process, class = string.match(field, '^(.-)|(.-)|(.*)$')
  local number, until_, since = string.match(value, '^(%d+):(%d+):(%d+)$')
  number, until_ = whole(number, 1, turn.most_fields), whole(until_, now, now + turn.max_wait)
  since = whole(since, 0, now)
  if name and number and until_ and since then
    waits[field] = {name = name, process = process, class = class, number = number, since = since}
  else
    redis.call('HDEL', pending, field)
  end
end

-- The level up to which everybody's wishes can be met.
local function level(wishes, places)
  table.sort(wishes)
  for at, wish in ipairs(wishes) do
    local even = places / (#wishes - at + 1)
    if wish > even then return even end
    places = places - wish
  end
  return math.huge
end

-- How many of the wanted places of one limit this process may take now.
local function look(name, class, wanted, ahead, mine)
  local limit = limits[name]
  local found = redis.call('ZRANGEBYSCORE', limit.key, '-inf', int(now + ahead), 'WITHSCORES')
  local near, own = {}, {}
  for process, number in pairs(holds[name]) do own[process] = number end
  for at = 1, #found, 2 do
    near[#near + 1] = {place = found[at], free_at = tonumber(found[at + 1])}
    local process = owner_of(found[at])
    own[process] = (own[process] or 0) - 1
  end
  local cards = redis.call('ZCARD', limit.key)
  local room = limit.count - cards + #near
  local wish, total = {[me] = wanted}, wanted
  for process, number in pairs(own) do
    wish[process] = (wish[process] or 0) + number
    total = total + number
  end
  local asked, elder = {}, 0
  for field, wait in pairs(waits) do
    if wait.name == name and field ~= mine then
      wish[wait.process] = (wish[wait.process] or 0) + wait.number
      total = total + wait.number
      if wait.process ~= me then asked[#asked + 1] = wait end
    end
  end
  local allowed, others = wanted, 0
  if total > limit.count then
    local all = {}
    for _, number in pairs(wish) do all[#all + 1] = number end
    local most = math.ceil(level(all, limit.count))
    local since = waits[mine] and waits[mine].since or now
    for _, wait in ipairs(asked) do
      if wait.since < since then
        elder = elder + math.max(0, math.min(wait.number, most - (own[wait.process] or 0)))
      end
    end
    allowed = math.min(most - (own[me] or 0), room - elder)
  end
  if now < calm + limit.window + slack + lease then
    allowed = math.min(allowed, math.max(1, math.floor(limit.count / hint)) - (own[me] or 0))
  end
  for _, wait in ipairs(asked) do others = others + wait.number end
  return {near = near, free = limit.count - cards, spare = limit.count - cards - others,
    allowed = math.max(0, math.min(allowed, room, wanted)), room = room}
end

local places, again, least, tight = {}, {}, {}, math.huge
for _, want in ipairs(turn.wants) do
  local class, wanted, extra, ahead = want[1], want[2], want[3], turn.ahead[want[1]]
  local uses, views, given = turn.uses[class], {}, wanted
  local spare = math.huge
  for _, name in ipairs(uses) do
    local view = look(name, class, wanted, ahead, name .. '|' .. me .. '|' .. class)
    views[name] = view
    given = math.min(given, view.allowed)
    spare = math.min(spare, view.spare, now < calm + limits[name].window + slack + lease and 0 or view.spare)
  end
  if shut[class] then
    given, again[class] = 0, shut[class]
  elseif given == wanted and extra > 0 then
    given = given + math.max(0, math.min(extra, math.floor((spare - wanted) / (1 + fleet))))
  end
  local got = {}
  for nth = 1, given do
    local begin = now
    for _, name in ipairs(uses) do
      local view = views[name]
      local taken = nth > view.free and view.near[nth - view.free]
      if taken then
        begin = math.max(begin, taken.free_at)
        drop(name, taken.place)
      end
    end
    local place = me .. ':' .. turn.number .. ':' .. class .. ':' .. nth
    for _, name in ipairs(uses) do
      put(name, place, begin + lease + slack + limits[name].window)
    end
    got[nth] = {place, begin - now}
  end
  if given > 0 then places[class] = got end
  local rest = wanted - given
  for _, name in ipairs(uses) do
    local limit, view = limits[name], views[name]
    local field = name .. '|' .. me .. '|' .. class
    local cards = redis.call('ZCARD', limit.key)
    if cards * 2 > limit.count then tight = math.min(tight, limit.window) end
    if rest > 0 and not shut[class] and view.allowed <= given then
      -- This limit is what it waits for: come again when places are about to be free.
      local shortest = math.max(ahead / 2, limit.window / 40)
      local next_, pause = nil, shortest
      if cards >= limit.count then
        next_ = redis.call('ZRANGE', limit.key, cards - limit.count, cards - limit.count, 'WITHSCORES')
      end
      if next_ and next_[2] then
        local free_at = tonumber(next_[2])
        least[class] = math.max(least[class] or 0, free_at - lease - slack - now)
        if free_at > now + ahead then
          pause = math.max(shortest, math.min(free_at - now - ahead / 2, turn.pause))
        end
      end
      again[class] = math.max(again[class] or 0, pause)
      local since = given == 0 and waits[field] and waits[field].since or now
      redis.call('HSET', pending, field,
        int(math.min(rest, turn.most_fields)) .. ':' .. int(now + pause + ahead / 2 + slack) .. ':' .. int(since))
    elseif waits[field] then
      redis.call('HDEL', pending, field)
    end
    waits[field] = nil
  end
end

for field, number in pairs(changed) do
  if number > 0 then redis.call('HSET', held, field, number) else redis.call('HDEL', held, field) end
end
if turn.leaving then redis.call('HDEL', seen, me) end
return finish(cjson.encode({epoch = epoch, fleet = fleet, places = places, again = again,
  least = least, shut = shut, tight = tight < math.huge and tight or nil}))
