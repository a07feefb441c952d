-- One plan for each session instead of one for each term that is shown: the plan of a chain costs more than reading it. The
-- rule of grace is part of the question that asks for it, and its days, which lists ask for row by row, are planned once.
create or replace function grace_rule_of(of_policy bigint, of_line text, on_day date) returns setof grace_rules
language sql stable rows 1 as $$
  select g.* from public.grace_rules g
   where g.line = of_line and g.valid_from <= on_day and (g.valid_to is null or on_day <= g.valid_to)
     and g.premium_mode in ('', coalesce(
           case of_line when 'health' then (select h.premium_mode from public.health_details h where h.policy_id = of_policy)
                        when 'life' then (select l.premium_mode from public.life_details l where l.policy_id = of_policy) end, ''))
   order by g.premium_mode <> '' desc, g.valid_from desc limit 1
$$;
alter function grace_rule_of(bigint, text, date) reset search_path;

create or replace function grace_days_of(of_policy bigint, of_line text, on_day date) returns integer
language plpgsql stable set plan_cache_mode = force_generic_plan as $$
begin
  return coalesce((
    select g.grace_days from public.grace_rules g
     where g.line = of_line and g.valid_from <= on_day and (g.valid_to is null or on_day <= g.valid_to)
       and g.premium_mode in ('', coalesce(
             case of_line when 'health' then (select h.premium_mode from public.health_details h where h.policy_id = of_policy)
                          when 'life' then (select l.premium_mode from public.life_details l where l.policy_id = of_policy) end, ''))
     order by g.premium_mode <> '' desc, g.valid_from desc limit 1), 0);
end $$;
alter function grace_days_of(bigint, text, date) reset search_path;

-- The ids are an array and the rest is looked up by key, so that a handful of rows is read and never the book joined.
create or replace function policy_chain(of_policy bigint) returns setof policy_page
language plpgsql stable set plan_cache_mode = force_generic_plan set enable_hashjoin = off set enable_mergejoin = off as $$
begin
  return query
  with recursive earlier as (
    select p.policy_id, p.renewed_from_id, 0 as steps from public.policies p where p.policy_id = of_policy
    union all
    select p.policy_id, p.renewed_from_id, e.steps + 1
      from earlier e join public.policies p on p.policy_id = e.renewed_from_id where e.steps < 60),
  later as (
    select of_policy as policy_id, 0 as steps
    union all
    select p.policy_id, l.steps + 1
      from later l join public.policies p on p.renewed_from_id = l.policy_id and p.deleted_at is null where l.steps < 60)
  select t.* from public.policy_page t
   where t.policy_id = any (array(select e.policy_id from earlier e union select n.policy_id from later n))
   order by t.policy_from, t.policy_id;
end $$;
alter function policy_chain(bigint) reset search_path;

select protect_schema();
notify pgrst, 'reload schema';
