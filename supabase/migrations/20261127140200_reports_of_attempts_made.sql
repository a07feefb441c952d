-- A report about an attempt that was never made moves nothing.

-- Moves a message forward by one report of its provider. A report counts when it is about the attempt that is open;
-- that the message arrived counts whichever attempt it was, of those that were made: a report about another life of this
-- portal (a restored backup, a test system on the same number) can carry the number of a message that waits.
create or replace function move_message(event message_events) returns void
language plpgsql volatile set search_path = public, pg_temp as $$
declare
  arrived boolean := event.status in ('delivered', 'read');
begin
  update messages m
     set state = event.status, state_at = now(), settled = event.status <> 'failed', left_to_staff = false,
         provider = coalesce(m.provider, event.source), provider_id = coalesce(m.provider_id, event.provider_id),
         unclear_since = null,
         error_code = case when event.status = 'failed' then event.error_code end,
         reason = case when event.status = 'failed' then event.detail end,
         sent_at = coalesce(m.sent_at, case when event.status <> 'failed' then event.happened_at end),
         delivered_at = case when arrived then coalesce(m.delivered_at, event.happened_at) else m.delivered_at end,
         read_at = case when event.status = 'read' then coalesce(m.read_at, event.happened_at) else m.read_at end
   where (m.message_id = event.message_id or (event.message_id is null and m.provider_id = event.provider_id))
     and message_rank(event.status) between 2 and 6 and message_rank(event.status) > message_rank(m.state)
     and (event.attempt is null or event.attempt <= m.attempts)
     and (arrived or (m.open_attempt is not null and coalesce(event.attempt, m.open_attempt) = m.open_attempt
                      and coalesce(m.provider_id, event.provider_id) is not distinct from event.provider_id));
end $$;

select protect_schema();
notify pgrst, 'reload schema';
