-- The words are read once a question, not once a row. What every sixtieth term of the book has is found among the latest
-- 600; for anything rarer the index of words is quick.
do $$
declare
  found regprocedure;
begin
  foreach found in array array['found_policies(text, integer)', 'found_vehicles(text, integer)']::regprocedure[] loop
    execute replace(replace(pg_get_functiondef(found), 'to_tsquery(''simple'', query)', '(select to_tsquery(''simple'', query))'),
                    'limit 3000', 'limit 600');
  end loop;
end $$;

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
