-- What the pages of clients ask beyond the list: one client with everything named, the choices of the list's filters,
-- and the people a client may be mistaken for.

create view client_page with (security_invoker = true) as
  select c.client_id, c.client_type, c.name, c.phone, c.other_phone, c.email, c.date_of_birth, c.pan, c.gstin, c.address,
         c.city, c.state, c.pin, c.group_name, c.subgroup, c.agent_id, l.agent_name, c.language,
         c.whatsapp_opt_in, c.whatsapp_opt_in_at, c.email_opt_in, c.notes, c.version, c.created_at, c.updated_at,
         c.deleted_at, u.name as updated_by_name, l.live_policies, l.gross_premium, l.next_due
    from clients c
    join client_list l on l.client_id = c.client_id
    left join users u on u.user_id = c.updated_by;
comment on view client_page is 'key: client_id';

-- The cities and groups in use, to choose from: few beside the number of clients.
create view client_choices with (security_invoker = true) as
  select 'city'::text as kind, city as name, count(*) as clients
    from clients where deleted_at is null and city is not null group by city
  union all
  select 'group', group_name, count(*)
    from clients where deleted_at is null and group_name is not null group by group_name;
comment on view client_choices is 'key: kind, name';

-- Who is named on terms that are live or wait for papers: as the member of a policy, or among its insured persons.
create view open_cover with (security_invoker = true) as
  select p.client_id, p.member_id, p.policy_id
    from policies p
   where p.state in ('live', 'pending') and p.deleted_at is null and p.member_id is not null
  union all
  select p.client_id, i.member_id, p.policy_id
    from insured_persons i join policies p on p.policy_id = i.policy_id
   where p.state in ('live', 'pending') and p.deleted_at is null and i.member_id is not null;
comment on view open_cover is 'key: policy_id, member_id';

-- Looked up each time a client is saved, as phone numbers and e-mail addresses are.
create index clients_pan on clients (pan) where pan is not null;

-- The clients added last.
create index clients_by_age on clients (created_at, client_id) where deleted_at is null;

select protect_schema();
notify pgrst, 'reload schema';
