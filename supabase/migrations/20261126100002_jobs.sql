-- Bulk jobs as their pages show them, and what colleagues may do with them.

-- In a job each record has one task, however often the job is asked for.
create or replace function leave_out_double_record() returns trigger
language plpgsql set search_path = public, pg_temp as $$
begin
  if exists (select from tasks where batch_id = new.batch_id and record_type = new.record_type
                and record_id = new.record_id) then
    return null;
  end if;
  return new;
end $$;
create trigger leave_out_double_record before insert on tasks for each row
  when (new.batch_id is not null and new.record_id is not null) execute function leave_out_double_record();

-- The waiting tasks of a job follow it. What runs ends; the queue's functions let it follow afterwards.
create or replace function follow_batch() returns trigger
language plpgsql set search_path = public, pg_temp as $$
begin
  if new.state = 'paused' then
    update tasks set state = 'paused' where batch_id = new.batch_id and state = 'queued';
  elsif new.state = 'stopped' then
    update tasks set state = 'cancelled', finished_at = now()
     where batch_id = new.batch_id and state in ('queued', 'paused');
  else
    update tasks set state = 'queued' where batch_id = new.batch_id and state = 'paused';
    perform pg_notify('tasks', '');
  end if;
  return null;
end $$;
create trigger follow_batch after update of state on batches for each row
  when (old.state is distinct from new.state) execute function follow_batch();

create view batch_progress with (security_invoker = true) as
select b.batch_id, b.kind, b.title, b.total, b.owner_id, u.name as owner_name, b.created_at,
       jsonb_array_length(b.skipped) as skipped_count, c.waiting, c.running, c.done, c.failed, c.cancelled,
       c.done + c.failed + c.cancelled as ended, c.ended_at,
       case when b.state = 'stopped' then case when c.running > 0 then 'stopping' else 'stopped' end
            when c.waiting + c.running = 0 then 'done'
            when b.state = 'paused' then case when c.running > 0 then 'pausing' else 'paused' end
            when c.running + c.done + c.failed = 0 then 'queued'
            else 'running' end as state
  from batches b
  left join users u on u.user_id = b.owner_id
  cross join lateral (
    select count(*) filter (where t.state in ('queued', 'paused')) as waiting,
           count(*) filter (where t.state = 'running') as running,
           count(*) filter (where t.state = 'done') as done,
           count(*) filter (where t.state = 'dead') as failed,
           count(*) filter (where t.state = 'cancelled') as cancelled,
           max(t.finished_at) as ended_at
      from tasks t where t.batch_id = b.batch_id) c;
comment on view batch_progress is 'key: batch_id';

create view dead_letters with (security_invoker = true) as
select t.task_id, t.name, t.priority, t.attempts, t.last_error, t.record_type, t.record_id, t.label, t.batch_id,
       b.title as batch_title, t.created_at, t.finished_at
  from tasks t left join batches b on b.batch_id = t.batch_id
 where t.state = 'dead';
comment on view dead_letters is 'key: task_id';

-- Sends dead tasks again, or drops them for good: `wanted` is JSON {"task_ids": [...]}, {"batch_id": ...}, {"name": ...}
-- or {"all": true}; `doer` who wants it, for the trail. How many there were.
create or replace function settle_dead_tasks(wish text, wanted text, doer text) returns integer
language plpgsql volatile set search_path = public, pg_temp as $$
declare
  w jsonb := wanted::jsonb; d jsonb := doer::jsonb; settled integer;
begin
  if wish not in ('resend', 'drop') then
    raise exception 'dead tasks are sent again or dropped, not %', wish using errcode = 'PT422';
  end if;
  with met as (
    select t.task_id from tasks t
     where t.state = 'dead' and (
       (w ? 'task_ids' and t.task_id in (select value::bigint from jsonb_array_elements_text(w->'task_ids')))
       or (w ? 'batch_id' and t.batch_id = w->>'batch_id')
       or (w ? 'name' and t.name = w->>'name')
       or coalesce((w->>'all')::boolean, false))
       -- One that has been asked for anew meanwhile must not be doubled.
       and not (wish = 'resend' and t.unique_key is not null and exists (
         select from tasks o where o.unique_key = t.unique_key and o.state in ('queued', 'running', 'paused')))
     for update
  ), settled_tasks as (
    update tasks t
       set state = case when wish = 'drop' then 'cancelled'
             else coalesce((select 'paused' from batches b where b.batch_id = t.batch_id and b.state = 'paused'), 'queued') end,
           finished_at = case wish when 'drop' then now() end,
           attempts = case wish when 'resend' then 0 else t.attempts end, rescues = 0, run_at = now()
      from met where t.task_id = met.task_id
    returning t.batch_id)
  , revived as (
    update batches b set state = 'active' from (select distinct batch_id from settled_tasks where batch_id is not null) s
     where wish = 'resend' and b.batch_id = s.batch_id and b.state = 'stopped')
  select count(*) into settled from settled_tasks;
  if settled > 0 then
    insert into audit (user_id, action, record_type, record_id, after, request_id, ip)
    values ((d->>'user_id')::bigint, case wish when 'resend' then 'sent again' else 'dropped' end, 'dead letter',
            coalesce(w->>'batch_id', w->>'name', w->'task_ids'->>0, 'all'), jsonb_build_object('number', settled),
            d->>'request_id', d->>'ip');
    perform pg_notify('tasks', '');
  end if;
  return settled;
end $$;

select protect_schema();
notify pgrst, 'reload schema';
