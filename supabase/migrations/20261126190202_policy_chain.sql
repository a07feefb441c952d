-- All terms of a chain as the page of a policy shows them, the asked one among them: one question instead of two.
-- The ids are an array, so that a handful of rows is looked up and never the whole book joined.
create or replace function policy_chain(of_policy bigint) returns setof policy_page
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
  select t.* from policy_page t
   where t.policy_id = any (array(select e.policy_id from earlier e union select n.policy_id from later n))
   order by t.policy_from, t.policy_id
$$;

drop function policy_terms(bigint);

select protect_schema();
notify pgrst, 'reload schema';
