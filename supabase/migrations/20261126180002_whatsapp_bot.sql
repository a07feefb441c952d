-- The bot on WhatsApp: where each conversation stands, and which messages it has answered.

-- One row per sender (phone in E.164, or user id). What was shown last is kept, so that "2" means the second of that list.
create table bot_sessions (
  address text primary key check (address <> ''),
  step text not null default 'start' check (step in ('start', 'which client', 'menu', 'policies', 'documents', 'ask policy',
    'ask digits', 'staff')),
  client_id text references clients on update cascade on delete set null,
  verified boolean not null default false,
  language text not null default 'en' check (language in ('en', 'hi', 'gu', 'mr')),
  choices jsonb not null default '[]',
  page smallint not null default 0,
  misses smallint not null default 0,
  tries smallint not null default 0,
  locked_until timestamptz,
  last_at timestamptz not null default now(),
  version integer not null default 1,
  updated_at timestamptz not null default now()
);
create index bot_sessions_by_time on bot_sessions (last_at desc, address);
create trigger count_version before update on bot_sessions for each row execute function count_version();

-- Written together with the answer: a message is answered once, whoever gets at it, and in the order of its sender.
create table bot_answers (
  inbound_id bigint primary key references inbound_messages on delete cascade,
  address text not null,
  understood text not null,
  answered_at timestamptz not null default now()
);
create index bot_answers_of_sender on bot_answers (address, inbound_id desc);

create view bot_unanswered with (security_invoker = true) as
  select i.inbound_id, i.address, i.phone, i.user_id, i.kind, i.body, i.payload, i.profile_name, i.received_at, i.created_at
    from inbound_messages i
   where i.channel = 'whatsapp' and not exists (select from bot_answers b where b.inbound_id = i.inbound_id);
comment on view bot_unanswered is 'key: inbound_id';

-- Who may be writing: living clients by each of their numbers.
create view bot_clients with (security_invoker = true) as
  select c.phone, c.client_id, c.name, c.language from clients c where c.deleted_at is null and c.phone is not null
  union
  select c.other_phone, c.client_id, c.name, c.language from clients c where c.deleted_at is null and c.other_phone is not null;
comment on view bot_clients is 'key: client_id, phone';

-- What the bot tells of a client's policies: those that run or ended less than 90 days ago, each with its latest schedule.
create view bot_policies with (security_invoker = true) as
  select p.policy_id, p.client_id, p.policy_number, p.number_key, r.name as product_name, p.line, p.asset, p.due_on, p.one_time,
         coalesce(i.short_name, i.name) as insurer_short, p.due_on < office_today() as is_over, d.document_id
    from policies p
    join clients c on c.client_id = p.client_id and c.deleted_at is null
    join products r on r.product_id = p.product_id
    join insurers i on i.insurer_id = p.insurer_id
    left join lateral (
      select x.document_id from documents x
       where x.policy_id = p.policy_id and x.kind = 'policy-schedule' and x.deleted_at is null and x.state in ('waiting', 'stored')
       order by x.created_at desc, x.document_id desc limit 1) d on true
   where p.state = 'live' and p.deleted_at is null and p.due_on >= office_today() - 90;
comment on view bot_policies is 'key: policy_id';

-- The conversations of the bot as colleagues see them.
create view bot_session_list with (security_invoker = true) as
  select s.address, s.step, s.client_id, c.name as client_name, s.verified, s.language, s.misses, s.locked_until, s.last_at,
         s.version, k.contact_id, k.profile_name, k.waits_for_staff_since, k.opted_out_at,
         (select count(*) from bot_answers b where b.address = s.address) as answers
    from bot_sessions s
    left join clients c on c.client_id = s.client_id
    left join contacts k on k.channel = 'whatsapp' and k.address = s.address;
comment on view bot_session_list is 'key: address';

select protect_schema();
notify pgrst, 'reload schema';
