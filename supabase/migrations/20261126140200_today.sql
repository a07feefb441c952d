-- Today: what waits for the office, what was done of it, and the figures of the month and of the business.

-- What a colleague ticked off or put aside for a day. `item` names the work ("renewal:7"), so that tomorrow it is work again.
create table work_marks (
  item text not null check (item ~ '^[a-z]+:[0-9]{1,19}$'),
  on_day date not null,
  mark text not null check (mark in ('done', 'snoozed')),
  user_id bigint not null references users,
  marked_at timestamptz not null default now(),
  primary key (on_day, item)
);

-- Birthdays are looked for by month and day: 1123 is 23 November.
create index members_birthday on members ((extract(month from date_of_birth)::integer * 100 + extract(day from date_of_birth)::integer))
  where date_of_birth is not null and deleted_at is null;

create view birthday_list with (security_invoker = true) as
  select m.member_id, m.client_id, c.name as client_name, m.name, m.relation, m.date_of_birth,
         extract(month from m.date_of_birth)::integer * 100 + extract(day from m.date_of_birth)::integer as birthday,
         coalesce(m.phone, c.phone) as phone, c.agent_id, c.whatsapp_opt_in
    from members m join clients c using (client_id)
   where m.date_of_birth is not null and m.deleted_at is null and c.deleted_at is null;
comment on view birthday_list is 'key: member_id';

-- The day as month and day; those born on 29 February have theirs on 28 February where the year has no 29th.
create or replace function birthdays_on(day date) returns integer[]
language sql immutable set search_path = pg_catalog, pg_temp as $$
  select case when to_char(day, 'MMDD') = '0228' and to_char(day + 1, 'MMDD') = '0301' then array[228, 229]
              else array[to_char(day, 'MMDD')::integer] end
$$;

-- The work of a day, of one agent's book or of all (null), section by section as {"total", "open", "rows"}: `total` counts
-- exactly what the list behind it holds, `open` what nobody has marked today, and `rows` are the most urgent `most` of those.
-- Names and amounts are looked up for these rows alone.
create or replace function work_queue(day date, of_agent bigint, most integer) returns jsonb
language sql stable set search_path = public, pg_temp as $$
  with book as (
    select p.policy_id, p.state, p.one_time, p.due_on, p.payment_date, p.created_at
      from policies p
     where p.deleted_at is null and p.state in ('live', 'pending') and (of_agent is null or p.agent_id = of_agent)),
  found (section, item, id, place) as (
    select 'overdue', 'renewal:' || policy_id, policy_id, row_number() over (order by due_on desc, policy_id)
      from book where state = 'live' and not one_time and due_on < day
    union all
    select 'week', 'renewal:' || policy_id, policy_id, row_number() over (order by due_on, policy_id)
      from book where state = 'live' and not one_time and due_on between day and day + 7
    union all
    select 'unpaid', 'payment:' || policy_id, policy_id, row_number() over (order by due_on, policy_id)
      from book where state = 'live' and payment_date is null
    union all
    select 'waiting', 'papers:' || policy_id, policy_id, row_number() over (order by created_at, policy_id)
      from book where state = 'pending' and created_at < (day - 3)::timestamp at time zone 'Asia/Kolkata'
    union all
    select 'messages', 'message:' || m.message_id, m.message_id, row_number() over (order by m.state_at desc, m.message_id desc)
      from messages m where m.state = 'failed' and of_agent is null
    union all
    select 'tasks', 'task:' || t.task_id, t.task_id, row_number() over (order by t.finished_at desc, t.task_id desc)
      from tasks t where t.state = 'dead' and of_agent is null
    union all
    select 'birthdays', 'birthday:' || b.member_id, b.member_id, row_number() over (order by b.name, b.member_id)
      from birthday_list b where b.birthday = any (birthdays_on(day)) and (of_agent is null or b.agent_id = of_agent)),
  marks as (select m.item, m.mark, m.marked_at, u.name as who from work_marks m join users u using (user_id) where m.on_day = day),
  open as (
    select f.*, row_number() over (partition by f.section order by f.place) as number
      from found f where not exists (select from marks m where m.item = f.item)),
  shown as (select * from open where number <= most),
  policy as (
    select p.policy_id, jsonb_build_object(
             'policy_id', p.policy_id, 'client_id', p.client_id, 'client_name', c.name, 'phone', c.phone, 'line', p.line,
             'policy_number', p.policy_number, 'asset', p.asset, 'product_name', r.name, 'insurer_short', coalesce(i.short_name, i.name),
             'due_on', p.due_on, 'grace_ends', p.due_on + grace_days(p.line, p.due_on), 'gross_premium', p.gross_premium::text,
             'waiting_for', p.waiting_for, 'waits', day - (p.created_at at time zone 'Asia/Kolkata')::date) as body
      from policies p
      join clients c using (client_id)
      join insurers i on i.insurer_id = p.insurer_id
      join products r on r.product_id = p.product_id),
  body as (
    select s.section, s.number, s.item, p.body from shown s join policy p on p.policy_id = s.id
     where s.section in ('overdue', 'week', 'unpaid', 'waiting')
    union all
    select s.section, s.number, s.item, jsonb_build_object('message_id', m.message_id, 'client_id', m.client_id, 'client_name', c.name,
             'phone', c.phone, 'channel', m.channel, 'reason', m.reason)
      from shown s join messages m on m.message_id = s.id left join clients c using (client_id) where s.section = 'messages'
    union all
    select s.section, s.number, s.item, jsonb_build_object('task_id', t.task_id, 'name', t.name, 'error', t.last_error)
      from shown s join tasks t on t.task_id = s.id where s.section = 'tasks'
    union all
    select s.section, s.number, s.item, jsonb_build_object('client_id', b.client_id, 'client_name', b.client_name, 'name', b.name,
             'relation', b.relation, 'date_of_birth', b.date_of_birth, 'phone', b.phone)
      from shown s join birthday_list b on b.member_id = s.id where s.section = 'birthdays')
  select jsonb_build_object(
    'sections', coalesce((
      select jsonb_object_agg(f.section, jsonb_build_object('total', f.total,
               'open', (select count(*) from open o where o.section = f.section),
               'rows', coalesce((select jsonb_agg(b.body || jsonb_build_object('item', b.item) order by b.number)
                                   from body b where b.section = f.section), '[]')))
        from (select section, count(*) as total from found group by section) f), '{}'),
    'items', (select count(distinct item) from found),
    'marked', coalesce((
      select jsonb_agg(jsonb_build_object('item', m.item, 'mark', m.mark, 'who', m.who, 'marked_at', m.marked_at,
                                          'subject', coalesce(c.name, b.name)) order by m.marked_at desc)
        from marks m
        join (select distinct item, id from found) f on f.item = m.item
        left join policies p on p.policy_id = f.id and m.item ~ '^(renewal|payment|papers):'
        left join clients c on c.client_id = p.client_id
        left join members b on b.member_id = f.id and m.item ~ '^birthday:'), '[]'),
    'next', (
      select p.body from policy p
       where p.policy_id = (select policy_id from book where state = 'live' and not one_time and due_on > day + 7
                             order by due_on, policy_id limit 1)))
$$;

-- The figures of a month: issued premium and commission of terms that start in it; of the terms that were due so far, how
-- many went on.
create or replace function month_figures(day date, of_agent bigint) returns jsonb
language sql stable set search_path = public, pg_temp as $$
  with month as (select date_trunc('month', day)::date as first, (date_trunc('month', day) + interval '1 month')::date as next),
  issued as (
    select count(*) as policies, coalesce(sum(p.gross_premium), 0) as gross, coalesce(sum(p.commission_amount), 0) as commission
      from policies p, month
     where p.deleted_at is null and p.state in ('live', 'renewed', 'lost', 'cancelled')
       and p.policy_from >= month.first and p.policy_from < month.next and (of_agent is null or p.agent_id = of_agent)),
  due as (
    select count(*) filter (where p.state = 'renewed') as kept, count(*) as due
      from policies p, month
     where p.deleted_at is null and p.state in ('live', 'renewed', 'lost') and not p.one_time
       and p.due_on >= month.first and p.due_on < least(month.next, day) and (of_agent is null or p.agent_id = of_agent))
  select jsonb_build_object('policies', issued.policies, 'gross', issued.gross::text, 'commission', issued.commission::text,
                            'kept', due.kept, 'due', due.due)
    from issued, due
$$;

-- Premium of issued terms from `since` on, by month of start, by line and by insurer (of the year that begins a year later).
create or replace function business_figures(since date, of_agent bigint) returns jsonb
language sql stable set search_path = public, pg_temp as $$
  with issued as (
    select date_trunc('month', p.policy_from)::date as month, p.line, p.insurer_id, p.gross_premium,
           p.policy_from >= since + interval '1 year' as this_year
      from policies p
     where p.deleted_at is null and p.state in ('live', 'renewed', 'lost', 'cancelled')
       and p.policy_from >= since and p.policy_from < since + interval '2 years' and (of_agent is null or p.agent_id = of_agent))
  select jsonb_build_object(
    'months', coalesce((select jsonb_agg(jsonb_build_object('month', month, 'policies', n, 'gross', gross::text) order by month)
                 from (select month, count(*) as n, sum(gross_premium) as gross from issued group by month) m), '[]'),
    'lines', coalesce((select jsonb_agg(jsonb_build_object('line', line, 'policies', n, 'gross', gross::text) order by gross desc, line)
                from (select line, count(*) as n, sum(gross_premium) as gross from issued where this_year group by line) l), '[]'),
    'insurers', coalesce((select jsonb_agg(jsonb_build_object('insurer_id', insurer_id, 'name', i.name, 'short_name', coalesce(i.short_name, i.name),
                                                              'policies', n, 'gross', gross::text) order by gross desc, insurer_id)
                from (select insurer_id, count(*) as n, sum(gross_premium) as gross from issued where this_year
                       group by insurer_id order by gross desc limit 10) x join insurers i using (insurer_id)), '[]'))
$$;

select protect_schema();
notify pgrst, 'reload schema';
