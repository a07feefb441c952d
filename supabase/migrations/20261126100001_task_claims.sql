-- The queue's own functions: one round trip claims many tasks, one finishes many, one a second keeps a worker process
-- alive in the others' eyes. The same on every way to the database.

alter table tasks
  drop constraint tasks_state_check,
  add constraint tasks_state_check check (state in ('queued', 'running', 'paused', 'done', 'dead', 'cancelled')),
  add column worker_id integer,
  add column lease_seconds numeric(8, 1) not null default 60,
  add column rescues smallint not null default 0,
  add column record_type text,
  add column record_id text,
  add column label text;
drop index tasks_unique_key;
create unique index tasks_unique_key on tasks (unique_key)
  where unique_key is not null and state in ('queued', 'running', 'paused');
-- A renewed lease changes no indexed column, so that it costs no index entry.
drop index tasks_leased;
create index tasks_running on tasks (worker_id) where state = 'running';
-- For the share of claims that goes to whoever waited longest, whatever the priority.
create index tasks_waiting on tasks (run_at, task_id) where state = 'queued' and priority > 1;

-- One row per process that runs tasks. `locked`: it holds the session lock (4711, worker_id), so its death is seen at
-- once; without (transaction pooler, REST) only its leases tell.
create table task_workers (
  worker_id integer generated always as identity primary key,
  host text not null,
  process integer not null,
  workers smallint not null,
  names text,
  locked boolean not null default false,
  busy smallint not null default 0,
  done bigint not null default 0,
  retried bigint not null default 0,
  failed bigint not null default 0,
  per_minute integer not null default 0,
  started_at timestamptz not null default now(),
  seen_at timestamptz not null default now(),
  missing_since timestamptz
);

-- Names of tasks that nobody runs for now.
create table task_pauses (
  name text primary key,
  paused_by bigint,
  paused_at timestamptz not null default now()
);

create table task_schedules (
  name text primary key,
  rule text not null,
  next_at timestamptz not null,
  fired_at timestamptz
);

-- Emptied by a crash, which costs a provider one burst; kept safe, it would cost a disk write a message.
create unlogged table task_paces (
  name text primary key,
  next_at timestamptz not null
);

-- A bulk job: its tasks are rows of `tasks` with its batch_id.
create table batches (
  batch_id text primary key,
  kind text not null,
  title text not null,
  state text not null default 'active' check (state in ('active', 'paused', 'stopped')),
  total integer not null,
  skipped jsonb not null default '[]',
  owner_id bigint references users,
  key text unique,
  created_at timestamptz not null default now()
);
create index batches_newest on batches (created_at desc);
create index batches_of_owner on batches (owner_id, created_at desc);
create unique index tasks_of_batch_record on tasks (batch_id, record_type, record_id)
  where batch_id is not null and record_id is not null;

-- While a task with the key waits or runs, another one is quietly not made. The lock makes rivals wait for each
-- other's commit: without it both would find nothing, and one of them lose its whole transaction to the unique index.
create or replace function leave_out_double_task() returns trigger
language plpgsql set search_path = public, pg_temp as $$
begin
  perform pg_advisory_xact_lock(hashtextextended('task ' || new.unique_key, 0));
  if exists (select from tasks where unique_key = new.unique_key and state in ('queued', 'running', 'paused')) then
    return null;
  end if;
  return new;
end $$;
create trigger leave_out_double_task before insert on tasks for each row
  when (new.unique_key is not null and new.state in ('queued', 'running'))
  execute function leave_out_double_task();

-- A process with an idle worker stores its task as already running there. The lease is counted by the server's clock.
create or replace function begin_born_running() returns trigger
language plpgsql set search_path = public, pg_temp as $$
begin
  new.started_at := now();
  new.lease_until := now() + new.lease_seconds * interval '1 second';
  return new;
end $$;
create trigger begin_born_running before insert on tasks for each row
  when (new.state = 'running') execute function begin_born_running();

-- Wakes the other processes at commit, when there is something for them to do.
create or replace function tell_of_new_tasks() returns trigger
language plpgsql set search_path = public, pg_temp as $$
begin
  if exists (select from fresh where state = 'queued' and run_at <= now() + interval '1 second') then
    perform pg_notify('tasks', '');
  end if;
  return null;
end $$;
create trigger tell_of_new_tasks after insert on tasks referencing new table as fresh
  for each statement execute function tell_of_new_tasks();

-- Locks up to `most` due tasks of `names`: a fifth for those that wait longest (so that low priority never starves), the
-- rest by priority, level by level, so that tasks which are not due yet are not even looked at. The plan is pinned: a
-- bloated table must not talk the planner into sorting all of it.
create or replace function pick_tasks(names text[], most integer) returns bigint[]
language plpgsql volatile set search_path = public, pg_temp
set enable_sort = off set enable_bitmapscan = off set enable_seqscan = off as $$
declare
  picked bigint[] := '{}'; share integer := least(most, floor(most * 0.2 + random())::integer);
begin
  if share > 0 then
    picked := array(
      select q.task_id from tasks q
       where q.state = 'queued' and q.priority > 1 and q.run_at < now() - interval '30 seconds' and q.name = any (names)
       order by q.run_at, q.task_id limit share for update skip locked);
  end if;
  for level in 1 .. 3 loop
    exit when cardinality(picked) >= most;
    picked := picked || array(
      select q.task_id from tasks q
       where q.state = 'queued' and q.priority = level and q.run_at <= now() and q.name = any (names)
         and q.task_id <> all (picked)
       order by q.run_at, q.task_id limit most - cardinality(picked) for update skip locked);
  end loop;
  return picked;
end $$;

-- Claims tasks for a worker process. `wanted` is JSON: [{"names": [...], "most": n}, ...]. `undo` is the token of a claim
-- whose answer was lost: what it took goes back first. The answer is {"tasks": [[id, name, payload, attempt, of how many,
-- priority, batch, request, lease in seconds], ...], "next": seconds until the next task of these names is due}.
-- A claim does not wait for the disk: one that a crash loses is only a task that is still queued.
create or replace function claim_tasks(worker integer, token text, wanted text, undo text default null) returns jsonb
language plpgsql volatile set search_path = public, pg_temp
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
declare
  part jsonb; names text[]; every_name text[] := '{}'; picked bigint[] := '{}'; claimed jsonb; next_due double precision;
  asked integer := 0;
begin
  perform set_config('synchronous_commit', 'off', true);
  if undo is not null then
    update tasks set state = 'queued', attempts = attempts - 1, worker_id = null, lease_token = null, lease_until = null
     where state = 'running' and worker_id = worker and lease_token = undo;
  end if;
  for part in select value from jsonb_array_elements(wanted::jsonb) loop
    names := array(select jsonb_array_elements_text(part->'names') except select p.name from task_pauses p);
    every_name := every_name || names;
    asked := asked + (part->>'most')::integer;
    picked := picked || pick_tasks(names, (part->>'most')::integer);
  end loop;
  with taken as (
    update tasks t
       set state = 'running', attempts = t.attempts + 1, worker_id = worker, lease_token = token, started_at = now(),
           lease_until = now() + t.lease_seconds * interval '1 second'
     where t.task_id = any (picked)
    returning t.*)
  select coalesce(jsonb_agg(jsonb_build_array(
      task_id, name, payload, attempts, max_attempts, priority, batch_id, request_id, lease_seconds)), '[]')
    into claimed from taken;
  if cardinality(picked) < asked then
    select extract(epoch from min(due.run_at) - now()) into next_due
      from generate_series(1, 3) level cross join lateral (
        select q.run_at from tasks q where q.state = 'queued' and q.priority = level and q.run_at > now()
           and q.name = any (every_name) order by q.run_at limit 1) due;
  end if;
  return jsonb_build_object('tasks', claimed, 'next', next_due);
end $$;

-- What became of tasks: JSON [{"id", "token", "state": done|queued|dead, "error", "result", "after": seconds, "back": 1 when
-- the attempt does not count}, ...]. Only who still holds the lease may say so; the answer is the ids that it held.
-- A task that would wait again follows its job when that was paused or stopped meanwhile.
create or replace function finish_tasks(finished text) returns jsonb
language plpgsql volatile set search_path = public, pg_temp as $$
declare
  ids jsonb;
begin
  with f as (
    select * from jsonb_to_recordset(finished::jsonb) as f (
      id bigint, token text, state text, error text, result jsonb, after double precision, back smallint)
  ), ended as (
    update tasks t
       set state = case when f.state <> 'queued' or t.batch_id is null then f.state else coalesce(
             (select case b.state when 'paused' then 'paused' when 'stopped' then 'cancelled' end
                from batches b where b.batch_id = t.batch_id), 'queued') end,
           last_error = f.error, result = f.result, attempts = t.attempts - coalesce(f.back, 0),
           run_at = case when f.state = 'queued' then now() + coalesce(f.after, 0) * interval '1 second' else t.run_at end,
           worker_id = null, lease_token = null, lease_until = null,
           finished_at = case when f.state <> 'queued' then now() end
      from f where t.task_id = f.id and t.state = 'running' and t.lease_token = f.token
    returning t.task_id)
  select coalesce(jsonb_agg(task_id), '[]') into ids from ended;
  return ids;
end $$;

create or replace function register_worker(host text, process integer, workers integer, names text, locked boolean)
returns integer language sql volatile set search_path = public, pg_temp as $$
  insert into task_workers (host, process, workers, names, locked) values ($1, $2, $3, $4, $5) returning worker_id
$$;

-- What a process that left or died still held goes back: at once when its session lock is gone, else when the lease ran
-- out. It costs no attempt, but a task that took 20 processes along is buried.
create or replace function rescue_tasks() returns integer
language plpgsql volatile set search_path = public, pg_temp as $$
declare
  rescued integer;
begin
  if not pg_try_advisory_xact_lock(4711, 0) then
    return 0;   -- somebody is at it
  end if;
  with seen as (
    select w.worker_id, exists (
      select from pg_locks l where l.locktype = 'advisory' and l.classid = 4711 and l.objid::bigint = w.worker_id
         and l.objsubid = 2 and l.granted
         and l.database = (select oid from pg_database where datname = current_database())) as alive
      from task_workers w where w.locked)
  update task_workers w set missing_since = case when seen.alive then null else now() end
    from seen where seen.worker_id = w.worker_id and seen.alive = (w.missing_since is not null);
  -- A server that restarts takes every session along: who lives takes its lock again within this second.
  with dead as (
    delete from task_workers w
     where w.missing_since < now() - interval '800 milliseconds' or (not w.locked and w.seen_at < now() - interval '5 minutes')
    returning w.worker_id, w.locked
  ), lost as (
    select t.task_id from tasks t
     where t.state = 'running'
       and (t.lease_until < now() or t.worker_id in (select d.worker_id from dead d where d.locked))
     for update skip locked
  ), back as (
    update tasks t
       set state = case when t.rescues >= 19 then 'dead' else coalesce(
             (select case b.state when 'paused' then 'paused' when 'stopped' then 'cancelled' end
                from batches b where b.batch_id = t.batch_id), 'queued') end,
           last_error = case when t.rescues >= 19 then 'The process that ran it died, 20 times.' else t.last_error end,
           finished_at = case when t.rescues >= 19 then now() end,
           rescues = t.rescues + 1, attempts = greatest(0, t.attempts - 1),
           run_at = now() + case when t.rescues < 3 then 0 else least(60, 2 ^ (t.rescues - 3)) end * interval '1 second',
           worker_id = null, lease_token = null, lease_until = null
      from lost where t.task_id = lost.task_id
    returning t.task_id)
  select count(*) into rescued from back;
  if rescued > 0 then
    perform pg_notify('tasks', '');
  end if;
  return rescued;
end $$;

-- Twice a second from each process (every five seconds where sessions are not its own): renews its leases ([{"id", "token"}, ...]), shows that it lives, looks after the dead.
-- The answer: {"known": is the process registered, "kept": [ids], "paused": [names], "rescued": n}.
create or replace function tend_tasks(worker integer, held text, figures text) returns jsonb
language plpgsql volatile set search_path = public, pg_temp as $$
declare
  kept jsonb; told jsonb := figures::jsonb; registered boolean;
begin
  perform set_config('synchronous_commit', 'off', true);
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

-- The process leaves in order: nothing of it needs to be rescued.
create or replace function leave_worker(worker integer) returns void
language sql volatile set search_path = public, pg_temp as $$
  delete from task_workers where worker_id = worker
$$;

-- A place in the line of `bucket`: seconds to wait until it is one's turn. `burst` of them go at once after a rest, then
-- `per_second` (generic cell rate algorithm, ITU-T I.371).
create or replace function take_turn(bucket text, per_second double precision, burst integer) returns double precision
language plpgsql volatile set search_path = public, pg_temp as $$
declare
  gap interval := interval '1 second' / per_second; next_turn timestamptz;
begin
  perform set_config('synchronous_commit', 'off', true);
  insert into task_paces as p (name, next_at) values (bucket, clock_timestamp() + gap)
  on conflict (name) do update set next_at = greatest(p.next_at, clock_timestamp()) + gap
  returning next_at into next_turn;
  return greatest(0, extract(epoch from next_turn - burst * gap - clock_timestamp()));
end $$;

-- Stores the tasks of schedules that are due, each once however many processes ask: JSON [{"name", "rule", "every": seconds
-- or null, "daily_at": "HH:MM" or null, "priority", "attempts", "lease"}, ...]. A time that was missed because nothing ran
-- is made up for once. The answer: seconds until the next one is due.
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
    on conflict (name) do update set rule = excluded.rule, next_at = excluded.next_at where s.rule <> excluded.rule;
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

-- Finished tasks go after a week, those of jobs with their job after 90 days; dead ones stay until somebody has looked.
create or replace function prune_tasks(most integer default 2000) returns integer
language plpgsql volatile set search_path = public, pg_temp as $$
declare
  pruned integer;
begin
  delete from tasks where task_id in (
    select task_id from tasks where state in ('done', 'cancelled') and batch_id is null
       and finished_at < now() - interval '7 days' order by task_id limit most for update skip locked);
  get diagnostics pruned = row_count;
  with old as (
    delete from batches b where b.created_at < now() - interval '90 days' and not exists (
      select from tasks t where t.batch_id = b.batch_id and t.state in ('queued', 'running', 'paused'))
    returning b.batch_id)
  delete from tasks t using old where t.batch_id = old.batch_id and t.state <> 'dead';
  return pruned;
end $$;

-- Figures for monitoring: tasks by state and by name, the age of the oldest that waits, worker processes and their work.
create or replace function task_figures() returns jsonb
language sql stable set search_path = public, pg_temp as $$
  with open as (
    select name, state, count(*) as number, min(run_at) as oldest from (
      select name, state, run_at from tasks where state = 'queued'
      union all select name, state, run_at from tasks where state = 'running'
      union all select name, state, run_at from tasks where state = 'dead'
      union all select t.name, t.state, t.run_at from batches b join tasks t on t.batch_id = b.batch_id
                 where b.state = 'paused' and t.state = 'paused') each
     group by name, state)
  select jsonb_build_object(
    'states', (select coalesce(jsonb_object_agg(state, number), '{}') from (
      select state, sum(number) as number from open group by state) s),
    'names', (select coalesce(jsonb_object_agg(name, states), '{}') from (
      select name, jsonb_object_agg(state, number) as states from open group by name) n),
    'oldest_seconds', (select greatest(0, extract(epoch from now() - min(oldest))) from open where state = 'queued'),
    'paused_names', (select coalesce(jsonb_agg(name order by name), '[]') from task_pauses),
    'processes', (select count(*) from task_workers),
    'workers', (select coalesce(sum(workers), 0) from task_workers),
    'busy', (select coalesce(sum(busy), 0) from task_workers),
    'per_minute', (select coalesce(sum(per_minute), 0) from task_workers),
    'done', (select coalesce(sum(done), 0) from task_workers),
    'retried', (select coalesce(sum(retried), 0) from task_workers),
    'failed', (select coalesce(sum(failed), 0) from task_workers))
$$;

select protect_schema();
notify pgrst, 'reload schema';
