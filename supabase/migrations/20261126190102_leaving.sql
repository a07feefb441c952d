-- The process leaves in order. What it holds all the same was claimed by a call whose answer it never got: it goes back,
-- and costs no attempt.
create or replace function leave_worker(worker integer) returns void
language sql volatile set search_path = public, pg_temp as $$
  update tasks t
     set state = coalesce((select case b.state when 'paused' then 'paused' when 'stopped' then 'cancelled' end
                             from batches b where b.batch_id = t.batch_id), 'queued'),
         attempts = greatest(0, t.attempts - 1), worker_id = null, lease_token = null, lease_until = null
   where t.state = 'running' and t.worker_id = worker;
  delete from task_workers where worker_id = worker;
$$;

select protect_schema();
notify pgrst, 'reload schema';
