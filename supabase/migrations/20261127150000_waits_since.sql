-- When it was last said until when a task waits. It may have begun long before: without this a task that began before a
-- clock ran ahead, and was given back or put off while it did, waited for that hour to come again.

alter table tasks add column waits_since timestamptz;

create function note_since_when_it_waits() returns trigger
language plpgsql set search_path = public, pg_temp as $$
begin
  new.waits_since := now();
  return new;
end $$;
create trigger note_since_when_it_waits before update on tasks for each row
  when (new.run_at is distinct from old.run_at)
  execute function note_since_when_it_waits();

-- As before; and what was given back or put off lately began to wait then, however long ago its task was made or begun.
create or replace function follow_clock_back() returns void
language plpgsql volatile set search_path = public, pg_temp as $$
declare
  noticed record;
begin
  if not pg_try_advisory_xact_lock(4712, 0) then
    return;   -- somebody is at it
  end if;
  select noticed_at, ahead, noticed_at + ahead as wrong into noticed from clock_corrections order by noticed_at desc limit 1;
  update task_workers
     set seen_at = least(seen_at, now()), missing_since = case when missing_since is not null then least(missing_since, now()) end
   where seen_at > now() or missing_since > now();
  update tasks t
     set run_at = now() + greatest(t.run_at - base.moment, '0') * (base.moment > now())::integer,
         created_at = least(t.created_at, now()),
         started_at = case when t.started_at is not null then least(t.started_at, now()) end
    from (select task_id, greatest(created_at, started_at, waits_since) as moment
            from tasks where state = 'queued' and run_at > now()) base
   where t.task_id = base.task_id
     and (base.moment > now() and t.run_at - base.moment <= interval '1 hour'
          or base.moment > noticed.noticed_at - interval '5 seconds'
             and t.run_at between noticed.wrong - interval '1 minute' and noticed.wrong + interval '1 minute');
  update tasks set lease_until = now() + lease_seconds * interval '1 second'
   where state = 'running' and lease_until > now() + lease_seconds * interval '1 second';
  update messages m
     set not_before = case when m.state_at > now() and m.not_before - m.state_at <= interval '1 hour'
                           then now() + greatest(m.not_before - m.state_at, '0') else m.not_before end,
         state_at = least(m.state_at, now()),
         claimed_at = case when m.claimed_at > now() then m.claimed_at - noticed.ahead else m.claimed_at end,
         unclear_since = case when m.unclear_since is not null then least(m.unclear_since, now()) end
   where m.state in ('queued', 'sending', 'unclear') and (m.state_at > now() or m.claimed_at > now());
  update contacts set next_send_at = now() where next_send_at > now();
  update clock_corrections set followed_at = now() where noticed_at > now() - interval '1 minute';
  perform pg_notify('tasks', '');
end $$;

select protect_schema();
notify pgrst, 'reload schema';
