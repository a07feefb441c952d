-- A task that is the only write of its transaction, as behind most buttons: its statement is planned once, and the id
-- taken beforehand does what `apply_changes` needs a row of its own for: a repetition meets it and writes nothing.

-- Answers whether the row is there (stored now, or before by the call that is repeated here); it is not when another task
-- has its unique key. Not by jsonb_populate_record: reading every column costs more than the insert.
create or replace function store_task(
  task_id bigint, name text, payload text, priority smallint, max_attempts smallint, lease_seconds numeric,
  unique_key text default null, batch_id text default null, request_id text default null, run_at timestamptz default null,
  state text default 'queued', attempts smallint default 0, worker_id integer default null, lease_token text default null)
returns boolean language plpgsql volatile set search_path = public, pg_temp as $$
#variable_conflict use_variable
begin
  insert into tasks as t (
    task_id, name, payload, priority, state, attempts, max_attempts, run_at, lease_seconds, worker_id, lease_token,
    started_at, lease_until, batch_id, unique_key, request_id)
  values (
    task_id, name, payload::jsonb, priority, state, attempts, max_attempts, coalesce(run_at, now()), lease_seconds,
    worker_id, lease_token, case state when 'running' then now() end,
    case state when 'running' then now() + lease_seconds * interval '1 second' end, batch_id, unique_key, request_id)
  on conflict on constraint tasks_pkey do nothing;
  return found or exists (
    select from tasks o where o.task_id = store_task.task_id and o.lease_token is not distinct from store_task.lease_token);
end $$;

drop trigger begin_born_running on tasks;
create trigger begin_born_running before insert on tasks for each row
  when (new.state = 'running' and new.lease_until is null) execute function begin_born_running();

-- By row, so that one that is born running costs nothing; PostgreSQL sends what is told twice in a transaction once.
-- It comes after the triggers that may leave a row out (they fire by name).
drop trigger tell_of_new_tasks on tasks;
create or replace function tell_of_new_tasks() returns trigger
language plpgsql set search_path = public, pg_temp as $$
begin
  perform pg_notify('tasks', '');
  return new;
end $$;
create trigger tell_of_new_tasks before insert on tasks for each row
  when (new.state = 'queued' and new.run_at <= now() + interval '1 second') execute function tell_of_new_tasks();

select protect_schema();
notify pgrst, 'reload schema';
