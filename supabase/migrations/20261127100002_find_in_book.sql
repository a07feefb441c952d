-- What the global search and the palette show of each kind, in one trip: {"clients": [...], "members": [...], "policies": [...],
-- "vehicles": [...]}, `most` of each of the `kinds` (parted by commas), amounts as text. The hits come from the index of words
-- and only those that are shown are joined to what is shown of them. Of the terms that fit, the latest `looked_at` are looked
-- at, those in force first. What a tenth of the terms has, or more than 3,000 of them, is looked for among the latest 600
-- first: the index would bring all of it. How much of the book that is, the 60 entered last tell.
create or replace function find_in_book(query text, kinds text, most integer, looked_at integer, by_number boolean) returns json
language plpgsql stable set plan_cache_mode = force_generic_plan
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set enable_material = off as $$
declare
  asked tsquery := to_tsquery('simple', query);
  wanted text[] := string_to_array(kinds, ',');
  clients json; members json; policies json; vehicles json;
  names text[]; ids bigint[]; sample integer;
begin
  if 'clients' = any (wanted) then
    with hits as materialized (
      select c.client_id, c.name from public.clients c where c.search @@ asked and c.deleted_at is null)
    select array(select h.client_id from hits h order by case when not by_number then lower(h.name) end, h.client_id limit most) into names;
    clients := (
      select json_agg(row_to_json(w) order by array_position(names, w.client_id)) from (
        select l.client_id, l.client_type, l.name, l.phone, l.email, l.city, l.group_name, l.agent_name, l.whatsapp_opt_in,
               l.live_policies, l.gross_premium::text, l.next_due, l.version, l.created_at, l.deleted_at
          from public.client_list l where l.client_id = any (names)) w);
  end if;
  if 'members' = any (wanted) then
    with hits as materialized (
      select m.member_id, m.name, m.client_id from public.members m where m.search @@ asked and m.deleted_at is null)
    select array(select h.member_id from hits h join public.clients c using (client_id) where c.deleted_at is null
                  order by h.name, h.member_id limit most) into ids;
    members := (
      select json_agg(row_to_json(w) order by array_position(ids, w.member_id)) from (
        select l.member_id, l.client_id, l.client_name, l.name, l.relation, l.phone, l.version
          from public.member_list l where l.member_id = any (ids)) w);
  end if;
  if 'policies' = any (wanted) then
    ids := '{}';
    sample := (select count(*) from (select p.search from public.policies p order by p.policy_id desc limit 60) n
                where n.search @@ asked);
    if sample >= 6 or sample / 60.0 * (select reltuples from pg_catalog.pg_class where oid = 'public.policies'::regclass) > 3000 then
      ids := array(
        select n.policy_id
          from (select p.policy_id, p.policy_to, p.search from public.policies p where p.deleted_at is null
                 order by p.policy_to desc, p.policy_id desc limit 600) n
         where n.search @@ asked order by n.policy_to desc, n.policy_id desc limit looked_at);
    end if;
    if cardinality(ids) < looked_at then
      with hits as materialized (
        select p.policy_id, p.policy_to from public.policies p where p.search @@ asked and p.deleted_at is null)
      select array(select h.policy_id from hits h order by h.policy_to desc, h.policy_id desc limit looked_at) into ids;
    end if;
    ids := array(select p.policy_id from public.policies p where p.policy_id = any (ids)
                  order by p.state not in ('live', 'pending'), p.policy_to desc, p.policy_id desc limit most);
    policies := (
      select json_agg(row_to_json(w) order by array_position(ids, w.policy_id)) from (
        select l.policy_id, l.client_id, l.client_name, l.member_name, l.insurer_id, l.insurer_name, l.insurer_short, l.product_id,
               l.product_name, l.line, l.agent_id, l.agent_name, l.policy_number, l.asset, l.state, l.status, l.waiting_for,
               l.business_type, l.policy_from, l.policy_to, l.due_on, l.one_time, l.payment_date, l.gross_premium::text,
               l.commission_amount::text, l.commission_received, l.sum_insured::text, l.group_name, l.renewed_from_id, l.version,
               l.created_at
          from public.policy_list l where l.policy_id = any (ids)) w);
  end if;
  if 'vehicles' = any (wanted) then
    ids := '{}';
    sample := (select count(*) from (select d.search from public.motor_details d order by d.policy_id desc limit 60) n
                where n.search @@ asked);
    if sample >= 6 or sample / 60.0 * (select reltuples from pg_catalog.pg_class where oid = 'public.motor_details'::regclass) > 3000 then
      ids := array(
        select n.policy_id
          from (select p.policy_id, p.policy_to, d.search from public.policies p join public.motor_details d using (policy_id)
                 where p.deleted_at is null order by p.policy_to desc, p.policy_id desc limit 600) n
         where n.search @@ asked order by n.policy_to desc, n.policy_id desc limit looked_at);
    end if;
    if cardinality(ids) < looked_at then
      with hits as materialized (select d.policy_id from public.motor_details d where d.search @@ asked)
      select array(select p.policy_id from hits join public.policies p using (policy_id) where p.deleted_at is null
                    order by p.policy_to desc, p.policy_id desc limit looked_at) into ids;
    end if;
    ids := array(select p.policy_id from public.policies p where p.policy_id = any (ids)
                  order by p.state not in ('live', 'pending'), p.policy_to desc, p.policy_id desc limit most);
    vehicles := (
      select json_agg(row_to_json(w) order by array_position(ids, w.policy_id)) from (
        select l.policy_id, l.vehicle_number, l.make_model, l.client_id, l.client_name, l.policy_number, l.policy_to, l.state
          from public.vehicle_list l where l.policy_id = any (ids)) w);
  end if;
  return json_build_object('clients', coalesce(clients, '[]'), 'members', coalesce(members, '[]'),
                           'policies', coalesce(policies, '[]'), 'vehicles', coalesce(vehicles, '[]'));
end $$;

-- What was written since the last vacuum waits in a list, which each search would read from end to end: 1.5 ms for 1,000 new
-- clients, more than the search itself.
alter index clients_search set (fastupdate = off);
alter index members_search set (fastupdate = off);
alter index policies_search set (fastupdate = off);
alter index motor_details_search set (fastupdate = off);
select gin_clean_pending_list(found) from unnest(array['clients_search', 'members_search', 'policies_search', 'motor_details_search']::regclass[]) found;

select protect_schema();
notify pgrst, 'reload schema';
