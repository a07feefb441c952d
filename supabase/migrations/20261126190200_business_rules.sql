-- What an office settles for its own work, read where it counts: the setting "business", each number with what holds
-- until somebody settles it.
create or replace function business_rule(name text, otherwise numeric) returns numeric
language sql stable set search_path = public, pg_temp as $$
  select coalesce((select (s.value->>name)::numeric from settings s where s.key = 'business'), otherwise)
$$;

-- Beside what was there before: calls for large premiums that fall due, as long as nobody has talked to the client.
create or replace function work_queue(day date, of_agent bigint, most integer) returns jsonb
language sql stable set search_path = public, pg_temp as $$
  with rule as (select business_rule('papers_days', 3)::integer as papers_days, business_rule('call_days', 10)::integer as call_days,
                       business_rule('call_premium', 50000) as call_premium),
  book as (
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
    select 'calls', 'call:' || p.policy_id, p.policy_id, row_number() over (order by p.due_on, p.policy_id)
      from rule, policies p left join renewals n using (policy_id)
     where p.deleted_at is null and p.state = 'live' and not p.one_time and p.number_key <> ''
       and p.due_on between day and day + rule.call_days and p.gross_premium >= rule.call_premium
       and coalesce(n.stage, 'due') = 'due' and not coalesce(n.snoozed_until > day, false)
       and (of_agent is null or p.agent_id = of_agent)
    union all
    select 'unpaid', 'payment:' || policy_id, policy_id, row_number() over (order by due_on, policy_id)
      from book where state = 'live' and payment_date is null
    union all
    select 'waiting', 'papers:' || policy_id, policy_id, row_number() over (order by created_at, policy_id)
      from book, rule where state = 'pending' and created_at < (day - papers_days)::timestamp at time zone 'Asia/Kolkata'
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
  policy as not materialized (
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
     where s.section in ('overdue', 'week', 'calls', 'unpaid', 'waiting')
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
    'rules', (select to_jsonb(rule) from rule),
    'items', (select count(distinct item) from found),
    'marked', coalesce((
      select jsonb_agg(jsonb_build_object('item', m.item, 'mark', m.mark, 'who', m.who, 'marked_at', m.marked_at,
                                          'subject', coalesce(c.name, b.name)) order by m.marked_at desc)
        from marks m
        join (select distinct item, id from found) f on f.item = m.item
        left join policies p on p.policy_id = f.id and m.item ~ '^(renewal|call|payment|papers):'
        left join clients c on c.client_id = p.client_id
        left join members b on b.member_id = f.id and m.item ~ '^birthday:'), '[]'),
    'next', (
      select p.body from policy p
       where p.policy_id = (select policy_id from book where state = 'live' and not one_time and due_on > day + 7
                             order by due_on, policy_id limit 1)))
$$;

select protect_schema();
notify pgrst, 'reload schema';
