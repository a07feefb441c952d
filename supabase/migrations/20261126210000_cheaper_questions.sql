-- The words are read once a question, not once a row. What every sixtieth term of the book has is found among the latest
-- 600; for anything rarer the index of words is quick.
create or replace function found_policies(query text, most integer) returns setof policy_list
language sql stable set search_path = public, pg_temp as $$
  with latest as materialized (
    select n.policy_id
      from (select p.policy_id, p.policy_to, p.search from policies p where p.deleted_at is null
             order by p.policy_to desc, p.policy_id desc limit 600) n
     where n.search @@ (select to_tsquery('simple', query)) order by n.policy_to desc, n.policy_id desc limit most),
  hits as materialized (
    select p.policy_id, p.policy_to from policies p where p.search @@ (select to_tsquery('simple', query)) and p.deleted_at is null),
  first as materialized (
    select n.policy_id from latest n
    union
    select h.policy_id from (select policy_id from hits order by policy_to desc, policy_id desc limit most) h
     where (select count(*) from latest) < most)
  select l.* from policy_list l where l.policy_id = any (array(select f.policy_id from first f))
   order by l.policy_to desc, l.policy_id desc
$$;

create or replace function found_vehicles(query text, most integer) returns setof vehicle_list
language sql stable set search_path = public, pg_temp as $$
  with latest as materialized (
    select n.policy_id
      from (select p.policy_id, p.policy_to, d.search from policies p join motor_details d using (policy_id)
             where p.deleted_at is null order by p.policy_to desc, p.policy_id desc limit 600) n
     where n.search @@ (select to_tsquery('simple', query)) order by n.policy_to desc, n.policy_id desc limit most),
  hits as materialized (select d.policy_id from motor_details d where d.search @@ (select to_tsquery('simple', query))),
  first as materialized (
    select n.policy_id from latest n
    union
    select h.policy_id from (select p.policy_id from hits join policies p using (policy_id) where p.deleted_at is null
                              order by p.policy_to desc, p.policy_id desc limit most) h
     where (select count(*) from latest) < most)
  select l.* from vehicle_list l where l.policy_id = any (array(select f.policy_id from first f))
   order by l.policy_to desc, l.policy_id desc
$$;

-- As grace_rule_of decides. In plpgsql its plan is kept; a list asks once or twice for each of its rows.
create or replace function grace_days_of(of_policy bigint, of_line text, on_day date) returns integer
language plpgsql stable set search_path = public, pg_temp as $$
begin
  return coalesce((
    select g.grace_days from grace_rules g
     where g.line = of_line and g.valid_from <= on_day and (g.valid_to is null or on_day <= g.valid_to)
       and g.premium_mode in ('', coalesce(
             case of_line when 'health' then (select h.premium_mode from health_details h where h.policy_id = of_policy)
                          when 'life' then (select l.premium_mode from life_details l where l.policy_id = of_policy) end, ''))
     order by g.premium_mode <> '' desc, g.valid_from desc limit 1), 0);
end $$;

select protect_schema();
notify pgrst, 'reload schema';
