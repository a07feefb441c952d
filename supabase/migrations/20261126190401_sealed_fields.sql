-- PAN, GSTIN, dates of birth and notes about people are sealed by the portal (portal/sealing.py). The open columns keep
-- what was written before until `seal-data` has sealed it; from now on nothing is written into them.

alter table clients
  add column pan_sealed text,
  add column pan_index text,               -- keyed hash: found by, never read
  add column gstin_sealed text,
  add column date_of_birth_sealed text,
  add column notes_sealed text;
alter table members
  add column date_of_birth_sealed text,
  add column birthday smallint check (birthday between 101 and 1231),   -- month and day, for greetings; 1123 is 23 November
  add column health_notes text check (health_notes is null),
  add column health_notes_sealed text;
create index clients_pan_index on clients (pan_index) where pan_index is not null;

-- The keys that something is sealed with. The portal does not start without one of them.
create table sealing_keys (
  key_id text primary key check (key_id ~ '^[0-9a-f]{8}$'),
  since timestamptz not null default now()
);

create or replace function note_sealing_keys() returns trigger
language plpgsql set search_path = public, pg_temp as $$
begin
  insert into sealing_keys (key_id)
    select distinct split_part(value, '.', 2) from jsonb_each_text(to_jsonb(new))
     where (key like '%\_sealed' or key = 'secret') and value like '2.%'
    on conflict do nothing;
  return null;
end $$;
create trigger note_sealing_keys after insert or update of pan_sealed, gstin_sealed, date_of_birth_sealed, notes_sealed
  on clients for each row
  when (coalesce(new.pan_sealed, new.gstin_sealed, new.date_of_birth_sealed, new.notes_sealed) is not null)
  execute function note_sealing_keys();
create trigger note_sealing_keys after insert or update of date_of_birth_sealed, health_notes_sealed
  on members for each row when (coalesce(new.date_of_birth_sealed, new.health_notes_sealed) is not null)
  execute function note_sealing_keys();
create trigger note_sealing_keys after insert or update of secret
  on two_step for each row execute function note_sealing_keys();

-- Sealing is no change of a record: a colleague who has its form open meets no conflict.
create or replace function count_version() returns trigger
language plpgsql set search_path = public, pg_temp as $$
begin
  if current_setting('portal.resealing', true) = 'on' then
    return new;
  end if;
  new.version := old.version + 1;
  new.updated_at := now();
  return new;
end $$;

-- Rows that the portal has sealed (a JSON list) take the place of the ones that it read, unless somebody changed those
-- meanwhile.
create or replace function reseal(relation text, rows text) returns bigint
language plpgsql volatile set search_path = public, pg_temp as $$
declare
  changed bigint;
begin
  perform set_config('portal.resealing', 'on', true);
  if relation = 'clients' then
    update clients c
       set pan = null, gstin = null, date_of_birth = null, notes = null, pan_sealed = r.pan_sealed, pan_index = r.pan_index,
           gstin_sealed = r.gstin_sealed, date_of_birth_sealed = r.date_of_birth_sealed, notes_sealed = r.notes_sealed
      from jsonb_to_recordset(rows::jsonb) as r (client_id text, version integer, pan_sealed text, pan_index text, gstin_sealed text,
                                          date_of_birth_sealed text, notes_sealed text)
     where c.client_id = r.client_id and c.version = r.version;
  elsif relation = 'members' then
    update members m
       set date_of_birth = null, date_of_birth_sealed = r.date_of_birth_sealed, birthday = r.birthday,
           health_notes_sealed = r.health_notes_sealed
      from jsonb_to_recordset(rows::jsonb) as r (member_id bigint, version integer, date_of_birth_sealed text, birthday smallint,
                                          health_notes_sealed text)
     where m.member_id = r.member_id and m.version = r.version;
  elsif relation = 'two_step' then
    update two_step t set secret = r.secret
      from jsonb_to_recordset(rows::jsonb) as r (user_id bigint, was text, secret text)
     where t.user_id = r.user_id and t.secret = r.was;
  else
    raise exception 'nothing of % is sealed', relation using errcode = 'PT422';
  end if;
  get diagnostics changed = row_count;
  perform set_config('portal.resealing', 'off', true);
  return changed;
end $$;

-- Forgets the keys that nothing is sealed with any more, and answers the others besides the one in use.
create or replace function forget_unused_keys(current_key text) returns text[]
language plpgsql volatile set search_path = public, pg_temp as $$
begin
  delete from sealing_keys k
   where k.key_id <> current_key
     and not exists (select from clients c where c.pan_sealed like '2.' || k.key_id || '.%' or c.gstin_sealed like '2.' || k.key_id || '.%'
                        or c.date_of_birth_sealed like '2.' || k.key_id || '.%' or c.notes_sealed like '2.' || k.key_id || '.%')
     and not exists (select from members m where m.date_of_birth_sealed like '2.' || k.key_id || '.%'
                        or m.health_notes_sealed like '2.' || k.key_id || '.%')
     and not exists (select from two_step t where t.secret like '2.' || k.key_id || '.%');
  return coalesce((select array_agg(key_id order by since) from sealing_keys where key_id <> current_key), '{}');
end $$;

create or replace view client_page with (security_invoker = true) as
  select c.client_id, c.client_type, c.name, c.phone, c.other_phone, c.email, c.date_of_birth, c.pan, c.gstin, c.address,
         c.city, c.state, c.pin, c.group_name, c.subgroup, c.agent_id, l.agent_name, c.language,
         c.whatsapp_opt_in, c.whatsapp_opt_in_at, c.email_opt_in, c.notes, c.version, c.created_at, c.updated_at,
         c.deleted_at, u.name as updated_by_name, l.live_policies, l.gross_premium, l.next_due,
         c.pan_sealed, c.gstin_sealed, c.date_of_birth_sealed, c.notes_sealed
    from clients c
    join client_list l on l.client_id = c.client_id
    left join users u on u.user_id = c.updated_by;

create or replace view health_cover with (security_invoker = true) as
  select h.policy_id, h.plan, h.floater_sum_insured, h.floater_bonus, h.floater_deductible,
         i.insured_person_id, i.member_id, i.name, i.sum_insured, i.bonus, i.deductible, m.relation, m.date_of_birth,
         h.premium_mode, m.date_of_birth_sealed
    from health_details h
    left join insured_persons i on i.policy_id = h.policy_id
    left join members m on m.member_id = i.member_id;

drop index members_birthday;
create index members_birthday on members ((coalesce(birthday, extract(month from date_of_birth)::integer * 100
                                                             + extract(day from date_of_birth)::integer)))
  where deleted_at is null;
create or replace view birthday_list with (security_invoker = true) as
  select m.member_id, m.client_id, c.name as client_name, m.name, m.relation, m.date_of_birth,
         coalesce(m.birthday, extract(month from m.date_of_birth)::integer * 100 + extract(day from m.date_of_birth)::integer) as birthday,
         coalesce(m.phone, c.phone) as phone, c.agent_id, c.whatsapp_opt_in, m.date_of_birth_sealed
    from members m join clients c using (client_id)
   where coalesce(m.birthday, extract(month from m.date_of_birth)::integer * 100 + extract(day from m.date_of_birth)::integer) is not null
     and m.deleted_at is null and c.deleted_at is null;

-- The page says how old somebody turns: the year is opened by the portal.
do $$
begin
  execute replace(pg_get_functiondef('work_queue(date, bigint, integer)'::regprocedure), '''date_of_birth'', b.date_of_birth',
                  '''date_of_birth'', b.date_of_birth, ''date_of_birth_sealed'', b.date_of_birth_sealed');
end $$;

-- What is sealed in the book does not stand open in its trail.
create or replace function without_sealed(fields jsonb, names text[]) returns jsonb
language sql immutable set search_path = pg_catalog, pg_temp as $$
  select jsonb_object_agg(key, case when jsonb_typeof(value) <> 'null' and key = any (names) then '"not kept here"' else value end)
    from jsonb_each(fields)
$$;
update audit
   set before = without_sealed(before, array['pan', 'gstin', 'date_of_birth', 'notes']),
       after = without_sealed(after, array['pan', 'gstin', 'date_of_birth', 'notes'])
 where record_type in ('client', 'member')
   and (before ?| array['pan', 'gstin', 'date_of_birth', 'notes'] or after ?| array['pan', 'gstin', 'date_of_birth', 'notes']);
drop function without_sealed(jsonb, text[]);

select protect_schema();
notify pgrst, 'reload schema';
