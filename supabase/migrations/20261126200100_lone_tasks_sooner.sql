-- `store_task` looks for an earlier row only where it stored none: a query in its answer was run each time, and cost as
-- much as the insert. And it names the schema instead of setting its search path, which would have every plan under it
-- checked anew at each call.
create or replace function store_task(
  task_id bigint, name text, payload text, priority smallint, max_attempts smallint, lease_seconds numeric,
  unique_key text default null, batch_id text default null, request_id text default null, run_at timestamptz default null,
  state text default 'queued', attempts smallint default 0, worker_id integer default null, lease_token text default null)
returns boolean language plpgsql volatile as $$
#variable_conflict use_variable
begin
  insert into public.tasks as t (
    task_id, name, payload, priority, state, attempts, max_attempts, run_at, lease_seconds, worker_id, lease_token,
    started_at, lease_until, batch_id, unique_key, request_id)
  values (
    task_id, name, payload::jsonb, priority, state, attempts, max_attempts, coalesce(run_at, now()), lease_seconds,
    worker_id, lease_token, case state when 'running' then now() end,
    case state when 'running' then now() + lease_seconds * interval '1 second' end, batch_id, unique_key, request_id)
  on conflict on constraint tasks_pkey do nothing;
  if found then
    return true;
  end if;
  return exists (
    select from public.tasks o where o.task_id = store_task.task_id and o.lease_token is not distinct from store_task.lease_token);
end $$;

select protect_schema();
notify pgrst, 'reload schema';
