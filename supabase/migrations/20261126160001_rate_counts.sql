-- How often somebody asked within the present window of time: what all web processes count together where there is no
-- Redis. Unlogged, because a count that a crash of the server forgets does no harm and needs no disk.

create unlogged table rate_counts (
  subject text primary key,
  hits integer not null,
  expires_at timestamptz not null
);
create index rate_counts_expiry on rate_counts (expires_at);

-- Counts one request and answers the count. Each window of time has a subject of its own. One call in a hundred sweeps
-- some that are over; rows that a neighbour holds are left to the next.
create or replace function count_request(subject text, seconds integer) returns integer
language plpgsql volatile set search_path = public, pg_temp as $$
declare
  counted integer;
begin
  insert into rate_counts as r (subject, hits, expires_at)
    values (count_request.subject, 1, clock_timestamp() + make_interval(secs => seconds))
    on conflict on constraint rate_counts_pkey do update set hits = r.hits + 1
    returning r.hits into counted;
  if random() < 0.01 then
    delete from rate_counts where rate_counts.subject in (
      select r.subject from rate_counts r where r.expires_at < clock_timestamp() limit 500 for update skip locked);
  end if;
  return counted;
end $$;

select protect_schema();
notify pgrst, 'reload schema';
