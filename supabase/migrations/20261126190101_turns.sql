-- When it is one's turn in the line of `bucket`, with the clock by which that is said: [now, turn] in seconds since 1970.
-- `burst` go at once after a rest, then `per_second`, evenly (generic cell rate algorithm, ITU-T I.371). The processes of
-- the release before ask `take_turn`, which keeps the same line.
create or replace function reserve_turn(bucket text, per_second double precision, burst integer) returns jsonb
language plpgsql volatile set search_path = public, pg_temp as $$
declare
  gap interval := interval '1 second' / per_second; next_turn timestamptz; moment timestamptz;
begin
  perform set_config('synchronous_commit', 'off', true);
  insert into task_paces as p (name, next_at) values (bucket, clock_timestamp() + gap)
  on conflict (name) do update set next_at = greatest(p.next_at, clock_timestamp()) + gap
  returning next_at into next_turn;
  moment := clock_timestamp();
  return jsonb_build_array(extract(epoch from moment), extract(epoch from greatest(moment, next_turn - burst * gap)));
end $$;

select protect_schema();
notify pgrst, 'reload schema';
