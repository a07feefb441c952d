-- An office signs in from one address, and somebody there mistypes every day: without a gap of a whole day the failures
-- of that address added up for ever, until each further one shut everybody out for an hour. Every half hour of quiet now
-- forgives one. The rest is as before: free failures, then 2, 4, 8 ... seconds up to an hour.

create or replace function note_sign_in_failure(subjects text[], free_failures integer) returns integer
language plpgsql volatile set search_path = public, pg_temp as $$
declare
  wait integer;
begin
  insert into sign_in_brakes as b (subject, failures)
    select distinct s, 1 from unnest(subjects) s
    on conflict (subject) do update set
      failures = 1 + greatest(0, b.failures - floor(extract(epoch from now() - b.last_failure_at) / 1800)::integer),
      last_failure_at = now();
  update sign_in_brakes b
     set blocked_until = now() + least(3600, power(2, least(b.failures - free_failures, 12))::integer) * interval '1 second'
   where b.subject = any (subjects) and b.failures > free_failures;
  select coalesce(max(ceil(extract(epoch from b.blocked_until - now()))), 0)::integer into wait
    from sign_in_brakes b where b.subject = any (subjects) and b.blocked_until > now();
  return wait;
end $$;

select protect_schema();
notify pgrst, 'reload schema';
