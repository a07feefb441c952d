-- A clock that is set back must not stop what waits for a moment. A machine that ran an hour ahead wrote the moments of
-- that hour: without this nothing of it would go out for an hour once the clock is right.

create table clock_corrections (
  noticed_at timestamptz primary key default now(),
  ahead interval not null,
  followed_at timestamptz not null default now()
);

-- Moments that were counted from a clock which was ahead begin now. Whoever wrote them did so lately: a task and a message
-- say when; what was to happen at a time of day, hours after it was asked for, stays as it is. What somebody put off until
-- the end of the wrong hour, before this was noticed, begins now as well. When an attempt began is told by the right clock:
-- its provider is asked for messages since then.
create function follow_clock_back() returns void
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
    from (select task_id, greatest(created_at, started_at) as moment from tasks where state = 'queued' and run_at > now()) base
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

-- As before; and notices that a process was seen at a moment that is still to come. For a minute it looks again: what was
-- under way while the clock was set may be stored later.
create or replace function tend_tasks(worker integer, held text, figures text) returns jsonb
language plpgsql volatile set search_path = public, pg_temp as $$
declare
  kept jsonb; told jsonb := figures::jsonb; registered boolean; latest timestamptz;
begin
  perform set_config('synchronous_commit', 'off', true);
  latest := (select max(seen_at) from task_workers);
  if latest > now() + interval '5 seconds' then
    insert into clock_corrections (ahead) values (latest - now()) on conflict do nothing;
    perform follow_clock_back();
  elsif exists (select from clock_corrections where noticed_at > now() - interval '1 minute'
                   and followed_at < now() - interval '5 seconds') then
    perform follow_clock_back();
  end if;
  with h as (select * from jsonb_to_recordset(held::jsonb) as h (id bigint, token text)),
  renewed as (
    update tasks t set lease_until = now() + t.lease_seconds * interval '1 second'
      from h where t.task_id = h.id and t.state = 'running' and t.lease_token = h.token
    returning t.task_id)
  select coalesce(jsonb_agg(task_id), '[]') into kept from renewed;
  update task_workers w
     set seen_at = now(), busy = (told->>'busy')::smallint, done = (told->>'done')::bigint,
         retried = (told->>'retried')::bigint, failed = (told->>'failed')::bigint,
         per_minute = (told->>'per_minute')::integer
   where w.worker_id = worker;
  registered := found;
  return jsonb_build_object('known', registered, 'kept', kept, 'rescued', rescue_tasks(),
    'paused', (select coalesce(jsonb_agg(name), '[]') from task_pauses));
end $$;

-- As before; and nobody stands further back in a line than a thousand places: that was a clock which was ahead.
create or replace function reserve_turns(bucket text, per_second double precision, burst integer, how_many integer)
returns jsonb language plpgsql volatile as $$
declare
  gap interval := interval '1 second' / per_second; behind timestamptz;
begin
  perform set_config('synchronous_commit', 'off', true);
  insert into public.task_paces as p (name, next_at) values (bucket, clock_timestamp() + how_many * gap)
  on conflict (name) do update
    set next_at = how_many * gap + case when p.next_at > clock_timestamp() + 1000 * gap then clock_timestamp()
                                        else greatest(p.next_at, clock_timestamp()) end
  returning next_at into behind;
  return jsonb_build_array(
    extract(epoch from clock_timestamp()), extract(epoch from behind - (how_many + burst - 1) * gap));
end $$;

-- As before; and no schedule waits longer than it would if it had fired just now.
create or replace function fire_schedules(schedules text) returns double precision
language plpgsql volatile set search_path = public, pg_temp as $$
declare
  wanted record; due timestamptz; later timestamptz;
  zone text := coalesce((select value #>> '{}' from settings where key = 'office_time_zone'), 'Asia/Kolkata');
begin
  for wanted in
    select * from jsonb_to_recordset(schedules::jsonb) as s (
      name text, rule text, every double precision, daily_at text, priority smallint, attempts smallint, lease numeric)
     order by name
  loop
    later := case when wanted.every is not null then now() + wanted.every * interval '1 second'
      else ((now() at time zone zone)::date + wanted.daily_at::time) at time zone zone end;
    if later <= now() then
      later := ((now() at time zone zone)::date + 1 + wanted.daily_at::time) at time zone zone;
    end if;
    insert into task_schedules as s (name, rule, next_at) values (wanted.name, wanted.rule, later)
    on conflict (name) do update set rule = excluded.rule, next_at = excluded.next_at
      where s.rule <> excluded.rule or s.next_at > excluded.next_at;
    select next_at into due from task_schedules s where s.name = wanted.name and s.next_at <= now() for update skip locked;
    if found then
      insert into tasks (name, priority, max_attempts, lease_seconds, unique_key)
      values (wanted.name, wanted.priority, wanted.attempts, wanted.lease, 'schedule ' || wanted.name);
      update task_schedules s set next_at = later, fired_at = now() where s.name = wanted.name;
    end if;
  end loop;
  return (select extract(epoch from min(next_at) - now()) from task_schedules
           where name in (select value->>'name' from jsonb_array_elements(schedules::jsonb)));
end $$;

select protect_schema();
notify pgrst, 'reload schema';
