-- What shows a few rows reads a few rows: a part of a query that is named twice is worked out for the whole book, once, unless
-- it is told not to be.

create or replace view family_cover with (security_invoker = true) as
  with open as not materialized (
    select p.policy_id, p.client_id, p.member_id, p.line, r.name as product_name, r.subtype, p.policy_number, p.asset, p.state,
           p.due_on, p.one_time, h.floater_sum_insured, d.vehicle_class,
           coalesce(h.floater_sum_insured, d.insured_declared_value,
                    nullif(f.building + f.plant_and_machinery + f.furniture_and_fittings + f.stocks + f.electrical_installations, 0),
                    p.sum_insured)::numeric(14, 2) as sum_insured
      from policies p
      join products r on r.product_id = p.product_id
      left join health_details h on h.policy_id = p.policy_id
      left join motor_details d on d.policy_id = p.policy_id
      left join fire_details f on f.policy_id = p.policy_id
     where p.state in ('live', 'pending') and p.deleted_at is null and not (p.one_time and p.due_on < office_today()))
  select o.client_id, i.member_id, o.policy_id, o.line, o.product_name, o.subtype, o.policy_number, o.asset, o.state, o.due_on,
         o.one_time, o.vehicle_class, coalesce(i.sum_insured, o.sum_insured)::numeric(14, 2) as sum_insured
    from open o join insured_persons i on i.policy_id = o.policy_id
   where i.member_id is not null
  union all
  select o.client_id, o.member_id, o.policy_id, o.line, o.product_name, o.subtype, o.policy_number, o.asset, o.state, o.due_on,
         o.one_time, o.vehicle_class, o.sum_insured
    from open o
   where not exists (select from insured_persons i where i.policy_id = o.policy_id and i.member_id is not null
                                                     and (o.line = 'health' or i.member_id = o.member_id));

select protect_schema();
notify pgrst, 'reload schema';
