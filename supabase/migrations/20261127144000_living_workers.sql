-- A server that was away takes every session along, and whoever comes back first sees no lock but its own. So the lock
-- alone does not tell who died: a process that tends is alive, and each has two seconds to come back, by its lock or by
-- that. Who finds a connection last comes 1.5 seconds after the first (the pool's longest pause, and the listener's).
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
  with dead as (
    delete from task_workers w
     where (w.missing_since < now() - interval '2 seconds' and w.seen_at < now() - interval '2 seconds')
        or (not w.locked and w.seen_at < now() - interval '5 minutes')
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

select protect_schema();
notify pgrst, 'reload schema';
