-- The open terms of the coming year are added up by day once, where they were walked through for each figure; 365 sums make
-- the counts and the months. Planned once for each session.
create or replace function renewal_board(on_day date) returns jsonb
language plpgsql stable set plan_cache_mode = force_generic_plan as $$
declare
  this_month date := date_trunc('month', on_day)::date;
begin
  return (
  with open as materialized (
    select p.due_on, count(*) as policies, sum(p.gross_premium) as gross from public.policies p
     where p.state = 'live' and p.deleted_at is null and not p.one_time and p.due_on < (this_month + interval '12 months')::date
     group by p.due_on),
  by_month as (
    select date_trunc('month', due_on)::date as first, sum(policies) as policies, sum(gross) as gross
      from open where due_on >= this_month group by 1)
  select jsonb_build_object(
    'overdue', (select coalesce(sum(policies), 0) from open where due_on < on_day),
    'week', (select coalesce(sum(policies), 0) from open where due_on between on_day and on_day + 7),
    'month', (select coalesce(sum(policies), 0) from open where due_on between on_day and on_day + 30),
    'strip', (select jsonb_agg(jsonb_build_object('month', to_char(m.first, 'YYYY-MM'), 'policies', coalesce(t.policies, 0),
                                                  'gross', coalesce(t.gross, 0)::text) order by m.first)
                from (select (this_month + n * interval '1 month')::date as first from generate_series(0, 11) n) m
                left join by_month t using (first)),
    'retention', public.retention_by_month(on_day, 1, on_day)));
end $$;
alter function renewal_board(date) reset search_path;

select protect_schema();
notify pgrst, 'reload schema';
