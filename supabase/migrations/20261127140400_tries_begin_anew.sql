-- From which attempt on the tries of an error are counted: a message that a colleague sends again, or that waited for the
-- account to be mended, begins anew. Attempts go on counting: each has a number of its own at the provider.
alter table messages add column tries_from smallint not null default 0;

-- As before; and tries_from.
create or replace view message_to_send with (security_invoker = true) as
  select m.message_id, m.key, m.channel, m.purpose, m.recipient, m.client_id, m.policy_id, m.language, m.template_key,
         m.variables, m.subject, m.body, m.html_body, m.document_ids, m.priority, m.batch_id, m.state, m.not_before,
         m.expires_at, m.attempts, m.open_attempt, m.claim_token, m.claimed_at, m.unclear_since, m.left_to_staff,
         m.as_template, m.provider, m.provider_id, m.error_code, m.reason, m.settled, m.sent_at, m.delivered_at,
         m.read_at, m.asked_at, m.state_at, m.created_by, m.created_at,
         c.name as client_name, c.deleted_at as client_deleted_at,
         case m.channel when 'whatsapp' then c.whatsapp_opt_in else c.email_opt_in end as client_opted_in,
         -- Without a client the address speaks for itself: did anybody in the book who has it agree? Null: nobody has it.
         case when m.client_id is null and m.channel = 'whatsapp' then (select bool_or(o.whatsapp_opt_in) from clients o
                where o.deleted_at is null and (o.phone = m.recipient or o.other_phone = m.recipient))
              when m.client_id is null then (select bool_or(o.email_opt_in) from clients o
                where o.deleted_at is null and lower(o.email) = lower(m.recipient)) end as address_opted_in,
         exists (select from consents s where s.client_id = m.client_id and s.channel = m.channel
                    and s.purpose = 'marketing' and s.withdrawn_at is null) as marketing_consent,
         k.last_inbound_at, k.opted_out_at, k.marketing_opted_out_at, k.unreachable_at, k.unreachable_reason,
         t.provider_template_id, t.variables as template_variables, t.has_document as template_has_document,
         p.paused_until, p.reason as pause_reason,
         exists (select from batches b where b.batch_id = m.batch_id and b.state = 'stopped')
           and not exists (select from message_events e where e.message_id = m.message_id and e.source = 'portal'
                              and e.status = 'queued') as stopped,
         m.tries_from
    from messages m
    left join clients c on c.client_id = m.client_id
    left join contacts k on k.channel = m.channel and k.address = m.recipient
    left join message_templates t on t.key = m.template_key and t.channel = m.channel and t.language = m.language and t.is_active
    left join channel_pauses p on p.channel = m.channel;

select protect_schema();
notify pgrst, 'reload schema';
