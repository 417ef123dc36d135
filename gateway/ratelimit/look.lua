-- The budget as it is; takes nothing.

return reply(0, 0)
