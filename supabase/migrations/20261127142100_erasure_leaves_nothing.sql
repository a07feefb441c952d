-- Erasing a person goes further: the GSTIN, which holds the PAN, goes when the PAN goes, and the records that a job left out
-- are called by the pseudonym.
create or replace function erase_person(wanted bigint, removed text) returns jsonb
language plpgsql volatile set search_path = public, pg_temp as $$
declare
  asked person_requests; client clients; review jsonb; gone bigint[]; addresses text[]; records text[]; kept boolean;
begin
  select * into asked from person_requests r where r.request_id = wanted and r.kind = 'erasure' and r.state = 'waiting' for update;
  if not found then
    return null;
  end if;
  select * into client from clients c where c.client_id = asked.client_id for update;
  if not found then
    update person_requests set state = 'done', done_at = now() where request_id = wanted;
    return null;
  end if;
  review := review_erasure(asked.client_id);
  if (review ->> 'open_policies')::bigint > 0 then
    raise exception 'A policy of this client is live or waits for papers again.' using errcode = 'PT422', hint = 'show';
  end if;

  select coalesce(array_agg(d.document_id), '{}') into gone from documents d
   where d.client_id = asked.client_id and d.document_id not in (select k.document_id from kept_documents(asked.client_id) k);
  if exists (select from unnest(gone) as g (id) where not removed::jsonb @> to_jsonb(g.id)) then
    return jsonb_build_object('again', true);
  end if;

  -- Addresses that no other client has: a family may share a telephone.
  select coalesce(array_agg(distinct a.address), '{}') into addresses
    from (select client.phone as address union select client.other_phone union select client.email
          union select m.phone from members m where m.client_id = asked.client_id) a
   where a.address is not null
     and not exists (select from clients c where c.client_id <> asked.client_id and a.address in (c.phone, c.other_phone, c.email))
     and not exists (select from members m where m.client_id <> asked.client_id and m.phone = a.address);
  delete from message_events e using messages m
   where e.message_id = m.message_id and (m.client_id = asked.client_id or (m.client_id is null and m.recipient = any (addresses)));
  update messages m
     set recipient = asked.pseudonym, subject = null, body = '', html_body = null, variables = '{}', document_ids = '[]', reason = null,
         state = case when m.state = 'queued' then 'cancelled' else m.state end
   where m.client_id = asked.client_id or (m.client_id is null and m.recipient = any (addresses));
  delete from inbound_messages i where i.address = any (addresses) or i.phone = any (addresses);
  delete from bot_sessions s where s.client_id = asked.client_id or s.address = any (addresses);
  delete from contacts k where k.address = any (addresses);
  update tasks t set label = asked.pseudonym
   where t.label is not null and ((t.record_type = 'client' and t.record_id = asked.client_id)
      or (t.record_type = 'policy' and t.record_id in (select p.policy_id::text from policies p where p.client_id = asked.client_id)));
  records := array(select 'client ' || asked.client_id union all
                   select 'policy ' || p.policy_id from policies p where p.client_id = asked.client_id);
  update batches b set skipped = (
    select jsonb_agg(case when (s.entry ->> 'record_type') || ' ' || (s.entry ->> 'record_id') = any (records)
                          then s.entry || jsonb_build_object('label', asked.pseudonym) else s.entry end order by s.place)
      from jsonb_array_elements(b.skipped) with ordinality s (entry, place))
   where exists (select from jsonb_array_elements(b.skipped) s (entry)
                  where (s.entry ->> 'record_type') || ' ' || (s.entry ->> 'record_id') = any (records));

  delete from media_fetches f where f.document_id = any (gone);
  update batch_files f set file_name = 'erased', reserved_key = null, session_address = null, error = null
   where f.client_id = asked.client_id
      or f.document_id in (select d.document_id from documents d where d.client_id = asked.client_id);
  update batch_files f set document_id = null where f.document_id = any (gone);
  update documents d set replaces_id = null where d.replaces_id = any (gone);
  update documents d set replaced_by_id = null where d.replaced_by_id = any (gone);
  delete from documents d where d.document_id = any (gone);

  gone := array(select p.policy_id from policies p where p.client_id = asked.client_id
                   and p.policy_id not in (select k.policy_id from kept_policies(asked.client_id) k));
  delete from payments y where y.policy_id = any (gone);
  delete from endorsements e where e.policy_id = any (gone);
  perform erase_policies(gone);
  delete from consents where client_id = asked.client_id;
  kept := (review -> 'identity' ->> 'kept')::boolean or exists (select from kept_documents(asked.client_id));
  if kept then
    update insured_persons i set member_id = null
      from members m where m.member_id = i.member_id and m.client_id = asked.client_id
       and m.member_id not in (select kept_members(asked.client_id));
    delete from members m where m.client_id = asked.client_id and m.member_id not in (select kept_members(asked.client_id));
    update members m set phone = null, nominee = null, health_notes_sealed = null, birthday = null,
                         deleted_at = coalesce(m.deleted_at, now())
     where m.client_id = asked.client_id;
    update clients c
       set phone = null, other_phone = null, email = null, notes = null, notes_sealed = null, group_name = null, subgroup = null,
           whatsapp_opt_in = false, email_opt_in = false, whatsapp_opt_in_at = null, deleted_at = coalesce(c.deleted_at, now()),
           pan = case when (review -> 'identity' ->> 'kyc')::boolean then c.pan end,
           pan_sealed = case when (review -> 'identity' ->> 'kyc')::boolean then c.pan_sealed end,
           pan_index = null,
           gstin = case when (review -> 'identity' ->> 'kyc')::boolean then c.gstin end,
           gstin_sealed = case when (review -> 'identity' ->> 'kyc')::boolean then c.gstin_sealed end
     where c.client_id = asked.client_id;
    delete from consents where client_id = asked.client_id;
  else
    update clients c set deleted_at = coalesce(c.deleted_at, now()) where c.client_id = asked.client_id;
    insert into erasures (kind, record_id, reason, erased_by) values ('client', asked.client_id, 'asked for', asked.asked_by);
  end if;
  update audit a set before = under_pseudonym(a.before, asked.pseudonym), after = under_pseudonym(a.after, asked.pseudonym)
   where a.client_id = asked.client_id;
  update person_requests r
     set state = case when kept then 'kept' else 'done' end, done_at = now(), report = review,
         review_on = case when kept then (
           select min(day) from (
             select kept_until('policy', k.policy_to) as day from kept_policies(asked.client_id) k
             union all
             select kyc_kept_until(asked.client_id)) x where day > office_today()) end
   where r.request_id = wanted;
  insert into audit (user_id, action, record_type, record_id, client_id, after)
    values (asked.asked_by, 'erase', 'client', asked.client_id, asked.client_id,
            jsonb_build_object('reason', 'asked for', 'name', asked.pseudonym, 'rest_kept', kept));
  -- Copies of the data go with the data.
  update person_requests r set state = 'gone', file_key = null where r.client_id = asked.client_id and r.kind = 'export';
  return review;
end $$;

-- Of whom a law kept the terms and no proof of identity any more, the GSTIN stayed until now.
update clients c set gstin = null, gstin_sealed = null
 where coalesce(c.gstin, c.gstin_sealed) is not null
   and exists (select from person_requests r where r.client_id = c.client_id and r.kind = 'erasure' and r.state = 'kept')
   and coalesce(kyc_kept_until(c.client_id) <= office_today(), true);

select protect_schema();
notify pgrst, 'reload schema';
