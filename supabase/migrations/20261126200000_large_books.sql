-- A book of 200,000 policies costs a page what one of 6,000 does.

-- Of all terms that can be renewed, by the day they are due: what a month kept, and what is overdue.
create index policies_renewable on policies (due_on) include (state, gross_premium, agent_id, line, number_key)
  where deleted_at is null and not one_time and state in ('live', 'renewed', 'lost');
create index policies_unpaid on policies (due_on, policy_id)
  where state = 'live' and payment_date is null and deleted_at is null;
create index clients_group on clients (group_name) where deleted_at is null and group_name is not null;

-- As a subquery the office's day is asked once for a question and not once (or four times) for each row.
do $$
declare
  shown text;
begin
  foreach shown in array array['policy_list', 'policy_page', 'family_cover', 'policy_counts', 'bot_policies', 'renewal_list'] loop
    execute format('create or replace view %I with (security_invoker = true) as %s', shown,
                   replace(pg_get_viewdef(shown::regclass), 'office_today()', '(select office_today())'));
  end loop;
end $$;

-- From one name straight to the next in the index: there are few cities and many clients.
drop view client_choices;
create view client_choices with (security_invoker = true) as
  with recursive cities as (
    (select city from clients where deleted_at is null and city is not null order by city limit 1)
    union all
    select (select c.city from clients c where c.deleted_at is null and c.city > x.city order by c.city limit 1)
      from cities x where x.city is not null),
  groups as (
    (select group_name from clients where deleted_at is null and group_name is not null order by group_name limit 1)
    union all
    select (select c.group_name from clients c
             where c.deleted_at is null and c.group_name is not null and c.group_name > x.group_name order by c.group_name limit 1)
      from groups x where x.group_name is not null)
  select 'city' as kind, city as name from cities where city is not null
  union all
  select 'group', group_name from groups where group_name is not null;
comment on view client_choices is 'key: kind, name';

-- The hits come from the index of words first, and only those that are shown are joined to what is shown of them. Left to
-- itself PostgreSQL walks the book in the order of the list until enough fit: seconds for a word that nobody has. What a
-- quarter of the book has ("MH") is found among the latest terms, and the index of words is then not asked at all.
create function found_clients(query text, most integer, by_number boolean) returns setof client_list
language sql stable set search_path = public, pg_temp as $$
  with hits as materialized (
    select c.client_id, lower(c.name) as name_key from clients c where c.search @@ to_tsquery('simple', query) and c.deleted_at is null),
  first as materialized (select h.client_id from hits h order by case when not by_number then h.name_key end, h.client_id limit most)
  select l.* from client_list l where l.client_id = any (array(select f.client_id from first f))
   order by case when not by_number then l.name_key end, l.client_id
$$;

create function found_members(query text, most integer) returns setof member_list
language sql stable set search_path = public, pg_temp as $$
  with hits as materialized (
    select m.member_id, m.name, m.client_id from members m where m.search @@ to_tsquery('simple', query) and m.deleted_at is null),
  first as materialized (
    select h.member_id from hits h join clients c using (client_id) where c.deleted_at is null order by h.name, h.member_id limit most)
  select l.* from member_list l where l.member_id = any (array(select f.member_id from first f)) order by l.name, l.member_id
$$;

create function found_policies(query text, most integer) returns setof policy_list
language sql stable set search_path = public, pg_temp as $$
  with latest as materialized (
    select n.policy_id
      from (select p.policy_id, p.policy_to, p.search from policies p where p.deleted_at is null
             order by p.policy_to desc, p.policy_id desc limit 3000) n
     where n.search @@ to_tsquery('simple', query) order by n.policy_to desc, n.policy_id desc limit most),
  hits as materialized (
    select p.policy_id, p.policy_to from policies p where p.search @@ to_tsquery('simple', query) and p.deleted_at is null),
  first as materialized (
    select n.policy_id from latest n
    union
    select h.policy_id from (select policy_id from hits order by policy_to desc, policy_id desc limit most) h
     where (select count(*) from latest) < most)
  select l.* from policy_list l where l.policy_id = any (array(select f.policy_id from first f))
   order by l.policy_to desc, l.policy_id desc
$$;

create function found_vehicles(query text, most integer) returns setof vehicle_list
language sql stable set search_path = public, pg_temp as $$
  with latest as materialized (
    select n.policy_id
      from (select p.policy_id, p.policy_to, d.search from policies p join motor_details d using (policy_id)
             where p.deleted_at is null order by p.policy_to desc, p.policy_id desc limit 3000) n
     where n.search @@ to_tsquery('simple', query) order by n.policy_to desc, n.policy_id desc limit most),
  hits as materialized (select d.policy_id from motor_details d where d.search @@ to_tsquery('simple', query)),
  first as materialized (
    select n.policy_id from latest n
    union
    select h.policy_id from (select p.policy_id from hits join policies p using (policy_id) where p.deleted_at is null
                              order by p.policy_to desc, p.policy_id desc limit most) h
     where (select count(*) from latest) < most)
  select l.* from vehicle_list l where l.policy_id = any (array(select f.policy_id from first f))
   order by l.policy_to desc, l.policy_id desc
$$;

-- Each kind of work by an index of its own, instead of every open term of the book for all of them.
create or replace function work_queue(day date, of_agent bigint, most integer) returns jsonb
language sql stable set search_path = public, pg_temp as $$
  with rule as (select business_rule('papers_days', 3)::integer as papers_days, business_rule('call_days', 10)::integer as call_days,
                       business_rule('call_premium', 50000) as call_premium),
  found (section, item, id, place) as (
    select 'overdue', 'renewal:' || policy_id, policy_id, row_number() over (order by due_on desc, policy_id)
      from policies
     where deleted_at is null and state = 'live' and not one_time and due_on < day and (of_agent is null or agent_id = of_agent)
    union all
    select 'week', 'renewal:' || policy_id, policy_id, row_number() over (order by due_on, policy_id)
      from policies
     where deleted_at is null and state = 'live' and not one_time and due_on between day and day + 7
       and (of_agent is null or agent_id = of_agent)
    union all
    select 'calls', 'call:' || p.policy_id, p.policy_id, row_number() over (order by p.due_on, p.policy_id)
      from rule, policies p left join renewals n using (policy_id)
     where p.deleted_at is null and p.state = 'live' and not p.one_time and p.number_key <> ''
       and p.due_on between day and day + rule.call_days and p.gross_premium >= rule.call_premium
       and coalesce(n.stage, 'due') = 'due' and not coalesce(n.snoozed_until > day, false)
       and (of_agent is null or p.agent_id = of_agent)
    union all
    select 'unpaid', 'payment:' || policy_id, policy_id, row_number() over (order by due_on, policy_id)
      from policies
     where deleted_at is null and state = 'live' and payment_date is null and (of_agent is null or agent_id = of_agent)
    union all
    select 'waiting', 'papers:' || policy_id, policy_id, row_number() over (order by created_at, policy_id)
      from rule, policies
     where deleted_at is null and state = 'pending' and created_at < (day - papers_days)::timestamp at time zone 'Asia/Kolkata'
       and (of_agent is null or agent_id = of_agent)
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
             'relation', b.relation, 'date_of_birth', b.date_of_birth, 'date_of_birth_sealed', b.date_of_birth_sealed, 'phone', b.phone)
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
       where p.policy_id = (select n.policy_id from policies n
                             where n.deleted_at is null and n.state = 'live' and not n.one_time and n.due_on > day + 7
                               and (of_agent is null or n.agent_id = of_agent)
                             order by n.due_on, n.policy_id limit 1)))
$$;

create or replace function month_figures(day date, of_agent bigint) returns jsonb
language sql stable set search_path = public, pg_temp as $$
  with issued as (
    select count(*) as policies, coalesce(sum(p.gross_premium), 0) as gross, coalesce(sum(p.commission_amount), 0) as commission
      from policies p
     where p.deleted_at is null and p.state in ('live', 'renewed', 'lost', 'cancelled')
       and p.policy_from >= date_trunc('month', day)::date and p.policy_from < (date_trunc('month', day) + interval '1 month')::date
       and (of_agent is null or p.agent_id = of_agent)),
  due as (
    select count(*) filter (where p.state = 'renewed') as kept, count(*) as due
      from policies p
     where p.deleted_at is null and p.state in ('live', 'renewed', 'lost') and not p.one_time
       and p.due_on >= date_trunc('month', day)::date and p.due_on < day and (of_agent is null or p.agent_id = of_agent))
  select jsonb_build_object('policies', issued.policies, 'gross', issued.gross::text, 'commission', issued.commission::text,
                            'kept', due.kept, 'due', due.due)
    from issued, due
$$;

-- Terms of one line that were due on one day and are paid for alike have the same grace: its rule is looked for once.
create or replace function retention_by_month(first_month date, months integer, on_day date) returns jsonb
language sql stable set search_path = public, pg_temp as $$
  with late as (
    select p.policy_id, p.line, p.due_on, coalesce(h.premium_mode, l.premium_mode, '') as premium_mode
      from policies p left join health_details h using (policy_id) left join life_details l using (policy_id)
     where p.deleted_at is null and not p.one_time and p.state = 'live' and p.due_on < on_day
       and p.due_on >= date_trunc('month', first_month)::date
       and p.due_on < (date_trunc('month', first_month) + months * interval '1 month')::date),
  alike as (
    select line, due_on, premium_mode, due_on + grace_days_of(min(policy_id), line, due_on) < on_day as is_over
      from late group by line, due_on, premium_mode),
  lapsed as (select late.policy_id from late join alike using (line, due_on, premium_mode) where alike.is_over),
  due as (
    select date_trunc('month', p.due_on)::date as first, p.gross_premium as gross,
           case when p.state = 'renewed' and not exists (
                  select from policies n where n.renewed_from_id = p.policy_id and n.deleted_at is null
                     and n.state = 'lost' and n.number_key = '') then 'renewed'
                when p.state in ('renewed', 'lost') then 'lost'
                when p.policy_id in (select policy_id from lapsed) then 'lapsed'
                else 'open' end as outcome
      from policies p
     where p.deleted_at is null and not p.one_time and p.state in ('live', 'renewed', 'lost') and p.number_key <> ''
       and p.due_on >= date_trunc('month', first_month)::date
       and p.due_on < (date_trunc('month', first_month) + months * interval '1 month')::date)
  select jsonb_agg(to_jsonb(t) order by t.month) from (
    select to_char(m.first, 'YYYY-MM') as month,
           count(*) filter (where outcome = 'renewed') as renewed, count(*) filter (where outcome = 'lost') as lost,
           count(*) filter (where outcome = 'lapsed') as lapsed, count(*) filter (where outcome = 'open') as open,
           coalesce(sum(gross) filter (where outcome = 'renewed'), 0)::text as renewed_gross,
           coalesce(sum(gross) filter (where outcome <> 'open'), 0)::text as decided_gross
      from (select (date_trunc('month', first_month) + n * interval '1 month')::date as first
              from generate_series(0, months - 1) n) m
      left join due using (first)
     group by m.first) t
$$;

create or replace function renewal_board(on_day date) returns jsonb
language sql stable set search_path = public, pg_temp as $$
  with open as (
    select p.due_on, p.gross_premium from policies p
     where p.state = 'live' and p.deleted_at is null and not p.one_time
       and p.due_on < (date_trunc('month', on_day) + interval '12 months')::date)
  select jsonb_build_object(
    'overdue', (select count(*) from open where due_on < on_day),
    'week', (select count(*) from open where due_on between on_day and on_day + 7),
    'month', (select count(*) from open where due_on between on_day and on_day + 30),
    'strip', (select jsonb_agg(jsonb_build_object('month', to_char(m.first, 'YYYY-MM'), 'policies', coalesce(t.policies, 0),
                                                  'gross', coalesce(t.gross, 0)::text) order by m.first)
                from (select (date_trunc('month', on_day) + n * interval '1 month')::date as first
                        from generate_series(0, 11) n) m
                left join (select date_trunc('month', due_on)::date as first, count(*) as policies,
                                  sum(gross_premium) as gross from open group by 1) t using (first)),
    'retention', retention_by_month(on_day, 1, on_day))
$$;

create or replace function business_figures(since date, of_agent bigint) returns jsonb
language sql stable set search_path = public, pg_temp as $$
  with issued as (
    select date_trunc('month', p.policy_from)::date as month, p.line, p.insurer_id, count(*) as policies,
           sum(p.gross_premium) as gross, p.policy_from >= (since + interval '1 year')::date as this_year
      from policies p
     where p.deleted_at is null and p.state in ('live', 'renewed', 'lost', 'cancelled')
       and p.policy_from >= since and p.policy_from < (since + interval '2 years')::date
       and (of_agent is null or p.agent_id = of_agent)
     group by 1, 2, 3, 6)
  select jsonb_build_object(
    'months', coalesce((select jsonb_agg(jsonb_build_object('month', month, 'policies', n, 'gross', gross::text) order by month)
                 from (select month, sum(policies) as n, sum(gross) as gross from issued group by month) m), '[]'),
    'lines', coalesce((select jsonb_agg(jsonb_build_object('line', line, 'policies', n, 'gross', gross::text) order by gross desc, line)
                from (select line, sum(policies) as n, sum(gross) as gross from issued where this_year group by line) l), '[]'),
    'insurers', coalesce((select jsonb_agg(jsonb_build_object('insurer_id', insurer_id, 'name', i.name, 'short_name', coalesce(i.short_name, i.name),
                                                              'policies', n, 'gross', gross::text) order by gross desc, insurer_id)
                from (select insurer_id, sum(policies) as n, sum(gross) as gross from issued where this_year
                       group by insurer_id order by 3 desc limit 10) x join insurers i using (insurer_id)), '[]'))
$$;

-- How a premium is paid and the rules of grace decide what a month kept as much as the terms themselves do.
create trigger note_change after insert or update or delete or truncate on health_details
  for each statement execute function note_change('policies');
create trigger note_change after insert or update or delete or truncate on life_details
  for each statement execute function note_change('policies');
create trigger note_change after insert or update or delete or truncate on grace_rules
  for each statement execute function note_change('policies');

-- Who may look after a renewal: whoever keeps that list learns of each change.
create trigger note_change_of_colleagues after insert or delete or update of name, is_active or truncate on users
  for each statement execute function note_change('colleagues');

select protect_schema();
notify pgrst, 'reload schema';
