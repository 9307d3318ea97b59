-- Which of these guilds cannot be read now.
local gone = {}
for _, guild in ipairs(ARGV) do
  if not fresh(guild) then gone[#gone + 1] = guild end
end
return gone
