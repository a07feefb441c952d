-- What the planner knows of the tables' contents: gathered by the server itself within a minute or so, and by this at
-- once after many rows came at a stroke. Without it a list of thousands is sorted as a whole to show its first page.
create or replace function gather_statistics() returns void
language plpgsql security definer set search_path = public, pg_temp as $$
begin
  analyze;
end $$;

-- What monitoring asks of the book, in one question.
create or replace function office_figures() returns jsonb
language sql stable set search_path = public, pg_temp as $$
  select jsonb_build_object(
    'active_users', (select count(distinct user_id) from sessions
                      where last_seen_at > now() - interval '15 minutes' and expires_at > now() and revoked_at is null),
    'messages', (select coalesce(jsonb_object_agg(state, number), '{}') from (
      select state, count(*) as number from messages
       where created_at > now() - interval '1 day' or state in ('queued', 'sending', 'unclear') group by state) s),
    'oldest_message_seconds', (select coalesce(extract(epoch from now() - min(not_before)), 0)::integer from messages
      where state in ('queued', 'sending', 'unclear') and not_before <= now()),
    'channel_pauses', (select coalesce(jsonb_agg(channel), '[]') from channel_pauses where paused_until > now()),
    'database_bytes', pg_database_size(current_database()))
$$;

select protect_schema();
notify pgrst, 'reload schema';
