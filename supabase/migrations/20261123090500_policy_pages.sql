-- What the pages of policies ask beyond the list: one term with everything named, its chain of terms, totals of a
-- filtered list, and the masters to choose from, each in one question.

create view policy_page with (security_invoker = true) as
  select p.policy_id, p.client_id, l.client_name, p.member_id, l.member_name, p.insurer_id, l.insurer_name, l.insurer_short,
         p.product_id, l.product_name, r.subtype as product_subtype, r.is_group as product_is_group, p.agent_id, l.agent_name,
         p.line, p.policy_number, p.state, l.status, p.waiting_for, p.business_type, p.policy_from, p.policy_to, p.due_on,
         p.one_time, p.payment_date, p.payment_details, p.net_premium, p.addon_premium, p.tp_premium, p.gst_rate,
         p.gst_tp_rate, p.gst_reason, p.gst_amount, p.gross_premium, p.commission_rate, p.commission_amount,
         p.commission_received, p.sum_insured, p.asset, p.group_name, p.subgroup, p.remarks, p.renewed_from_id,
         p.lost_reason, p.cancelled_on, p.version, p.created_at, p.updated_at, p.updated_by, p.deleted_at,
         u.name as updated_by_name, grace_days(p.line, p.due_on) as grace_days
    from policies p
    join policy_list l on l.policy_id = p.policy_id
    join products r on r.product_id = p.product_id
    left join users u on u.user_id = p.updated_by;
comment on view policy_page is 'key: policy_id';

-- A health policy's cover with its insured persons, one row each; a policy without persons has one row without a person.
create view health_cover with (security_invoker = true) as
  select h.policy_id, h.plan, h.floater_sum_insured, h.floater_bonus, h.floater_deductible,
         i.insured_person_id, i.member_id, i.name, i.sum_insured, i.bonus, i.deductible, m.relation, m.date_of_birth
    from health_details h
    left join insured_persons i on i.policy_id = h.policy_id
    left join members m on m.member_id = i.member_id;
comment on view health_cover is 'key: policy_id, insured_person_id';

create view master_choices with (security_invoker = true) as
  select 'insurer' as kind, insurer_id as id, name, coalesce(short_name, name) as short_name, null::text as line,
         '' as subtype, false as is_group, null::bigint as insurer_id, is_active from insurers
  union all
  select 'product', product_id, name, name, line, subtype, is_group, insurer_id, is_active from products
  union all
  select 'agent', agent_id, name, name, null, '', false, null, is_active from agents;
comment on view master_choices is 'key: kind, id';

create view product_list with (security_invoker = true) as
  select r.product_id, r.name, r.line, r.subtype, r.is_group, r.insurer_id, i.name as insurer_name, r.is_active, r.version
    from products r left join insurers i using (insurer_id);
comment on view product_list is 'key: product_id';

-- The terms one policy belongs to, oldest first: back through what each renewed, forward through what renewed it.
create or replace function policy_terms(of_policy bigint) returns setof policy_list
language sql stable set search_path = public, pg_temp as $$
  with recursive earlier as (
    select p.policy_id, p.renewed_from_id, 0 as steps from policies p where p.policy_id = of_policy
    union all
    select p.policy_id, p.renewed_from_id, e.steps + 1
      from earlier e join policies p on p.policy_id = e.renewed_from_id where e.steps < 60),
  later as (
    select of_policy as policy_id, 0 as steps
    union all
    select p.policy_id, l.steps + 1
      from later l join policies p on p.renewed_from_id = l.policy_id and p.deleted_at is null where l.steps < 60)
  select l.* from policy_list l
   where l.policy_id in (select e.policy_id from earlier e union select n.policy_id from later n)
   order by l.policy_from, l.policy_id
$$;

-- Number and gross premium of the policies that meet the conditions of a list: a JSON array, as text like the changes of
-- `apply_changes` and with its conditions, and {"column": "search", "op": "fts", "value": tsquery}. Conditions with the
-- same "group" are alternatives, told apart by their "branch". The sum is text, which JSON carries without loss.
create or replace function policy_totals(conditions text) returns jsonb
language plpgsql stable set search_path = public, pg_temp as $$
declare
  wanted text; totals jsonb; listed jsonb := conditions::jsonb;
begin
  select string_agg('(' || alternatives || ')', ' and ') into wanted from (
    select string_agg('(' || branch || ')', ' or ') as alternatives from (
      select value->>'group' as place_in_list,
             string_agg(case when value->>'op' = 'fts' then format('t.search @@ ($2->%s->>''value'')::tsquery', place - 1)
                             else change_condition('policies', value, (place - 1)::integer) end, ' and ') as branch
        from jsonb_array_elements(listed) with ordinality as c (value, place)
       group by value->>'group', value->>'branch') branches
     group by place_in_list) all_of;
  execute format('select jsonb_build_object(''policies'', count(*), ''gross'', coalesce(sum(t.gross_premium), 0)::text)
                    from policies t where %s', coalesce(wanted, 'true'))
    into totals using null::jsonb, listed;
  return totals;
end $$;

select protect_schema();
notify pgrst, 'reload schema';
