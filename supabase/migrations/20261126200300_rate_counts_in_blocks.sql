-- A process may take several numbers of a large limit in one question, as it does from Redis: colleagues behind one
-- address would otherwise queue for one row with every click.

-- Counts so many requests and answers the count. Each window of time has a subject of its own. One call in a hundred
-- sweeps some that are over; rows that a neighbour holds are left to the next.
create function count_requests(subject text, seconds integer, hits integer) returns integer
language plpgsql volatile set search_path = public, pg_temp as $$
declare
  counted integer;
begin
  insert into rate_counts as r (subject, hits, expires_at)
    values (count_requests.subject, count_requests.hits, clock_timestamp() + make_interval(secs => seconds))
    on conflict on constraint rate_counts_pkey do update set hits = r.hits + excluded.hits
    returning r.hits into counted;
  if random() < 0.01 then
    delete from rate_counts where rate_counts.subject in (
      select r.subject from rate_counts r where r.expires_at < clock_timestamp() limit 500 for update skip locked);
  end if;
  return counted;
end $$;

-- count_request stays for the processes that still run the release before this one.

select protect_schema();
notify pgrst, 'reload schema';
