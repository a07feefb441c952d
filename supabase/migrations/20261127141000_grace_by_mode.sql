-- The work of a day as `work_of_day` answered it, but with the grace of how the premium of a term is paid (15 days where that
-- is monthly, and not the 30 of its line), and with the last day of a vehicle's third-party cover, which may run on.
create or replace function work_of_day(day date, of_agent bigint, most integer) returns json
language plpgsql stable set plan_cache_mode = force_generic_plan
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set enable_material = off as $$
declare
  told jsonb := coalesce((select s.value from public.settings s where s.key = 'business'), '{}');
  papers_days integer := coalesce((told->>'papers_days')::numeric, 3)::integer;
  call_days integer := coalesce((told->>'call_days')::numeric, 10)::integer;
  call_premium numeric := coalesce((told->>'call_premium')::numeric, 50000);
  marked text[] := array(select m.item from public.work_marks m where m.on_day = day);
  marked_ids bigint[] := array(select split_part(m, ':', 2)::bigint from unnest(marked) m);
  birthdays integer[] := public.birthdays_on(day);
  sections json; items bigint; upcoming json; said text[];
begin
  with due as materialized (
    select p.policy_id, p.due_on, p.gross_premium, p.number_key
      from public.policies p
     where p.deleted_at is null and p.state = 'live' and not p.one_time and p.due_on <= day + greatest(7, call_days)
       and (of_agent is null or p.agent_id = of_agent)),
  found (section, kind, id, first, name, then_by) as materialized (
    select 'overdue', 'renewal', d.policy_id, (day - d.due_on)::bigint, '', d.policy_id from due d where d.due_on < day
    union all
    select 'week', 'renewal', d.policy_id, d.due_on - day, '', d.policy_id from due d where d.due_on between day and day + 7
    union all
    select 'calls', 'call', d.policy_id, d.due_on - day, '', d.policy_id
      from due d left join public.renewals n using (policy_id)
     where d.due_on between day and day + call_days and d.gross_premium >= call_premium and d.number_key <> ''
       and coalesce(n.stage, 'due') = 'due' and not coalesce(n.snoozed_until > day, false)
    union all
    select 'unpaid', 'payment', p.policy_id, p.due_on - day, '', p.policy_id
      from public.policies p
     where p.deleted_at is null and p.state = 'live' and p.payment_date is null and (of_agent is null or p.agent_id = of_agent)
    union all
    select 'waiting', 'papers', p.policy_id, (extract(epoch from p.created_at) * 1000000)::bigint, '', p.policy_id
      from public.policies p
     where p.deleted_at is null and p.state = 'pending' and p.created_at < (day - papers_days)::timestamp at time zone 'Asia/Kolkata'
       and (of_agent is null or p.agent_id = of_agent)
    union all
    select 'messages', 'message', m.message_id, -(extract(epoch from m.state_at) * 1000000)::bigint, '', -m.message_id
      from public.messages m where m.state = 'failed' and of_agent is null
    union all
    select 'tasks', 'task', t.task_id, -(extract(epoch from t.finished_at) * 1000000)::bigint, '', -t.task_id
      from public.tasks t where t.state = 'dead' and of_agent is null
    union all
    select 'birthdays', 'birthday', b.member_id, 0, b.name, b.member_id
      from public.birthday_list b where b.birthday = any (birthdays) and (of_agent is null or b.agent_id = of_agent)),
  shown as materialized (
    select o.section, o.number, o.kind || ':' || o.id as item, o.id from (
      select f.section, f.kind, f.id, row_number() over (partition by f.section order by f.first, f.name, f.then_by) as number
        from found f where f.id <> all (marked_ids) or f.kind || ':' || f.id <> all (marked)) o
     where o.number <= most
    union all
    (select 'next', 1, 'renewal:' || n.policy_id, n.policy_id from public.policies n
      where n.deleted_at is null and n.state = 'live' and not n.one_time and n.due_on > day + 7
        and (of_agent is null or n.agent_id = of_agent)
      order by n.due_on, n.policy_id limit 1)),
  body as (
    select s.section, s.number, row_to_json(w) as body
      from shown s
      join public.policies p on p.policy_id = s.id
      join public.clients c on c.client_id = p.client_id
      join public.insurers i on i.insurer_id = p.insurer_id
      join public.products r on r.product_id = p.product_id
      cross join lateral (
        select s.item, p.policy_id, p.client_id, c.name as client_name, c.phone, p.line, p.policy_number, p.asset,
               r.name as product_name, coalesce(i.short_name, i.name) as insurer_short, p.due_on,
               p.due_on + public.grace_days_of(p.policy_id, p.line, p.due_on) as grace_ends,
               (select d.third_party_to from public.motor_details d where d.policy_id = p.policy_id) as third_party_to,
               p.gross_premium::text, p.waiting_for, day - (p.created_at at time zone 'Asia/Kolkata')::date as waits) w
     where s.section in ('overdue', 'week', 'calls', 'unpaid', 'waiting', 'next')
    union all
    select s.section, s.number, row_to_json(w)
      from shown s join public.messages m on m.message_id = s.id left join public.clients c on c.client_id = m.client_id
      cross join lateral (select s.item, m.message_id, m.client_id, c.name as client_name, c.phone, m.channel, m.reason) w
     where s.section = 'messages'
    union all
    select s.section, s.number, row_to_json(w)
      from shown s join public.tasks t on t.task_id = s.id
      cross join lateral (select s.item, t.task_id, t.name, t.last_error as error) w where s.section = 'tasks'
    union all
    select s.section, s.number, row_to_json(w)
      from shown s join public.birthday_list b on b.member_id = s.id
      cross join lateral (select s.item, b.client_id, b.client_name, b.name, b.relation, b.date_of_birth, b.date_of_birth_sealed, b.phone) w
     where s.section = 'birthdays'),
  written as materialized (select b.section, json_agg(b.body order by b.number) as rows from body b group by b.section),
  counted as (
    select f.section, count(*) as total, count(*) filter (where f.id <> all (marked_ids) or f.kind || ':' || f.id <> all (marked)) as open
      from found f group by f.section)
  select (select json_object_agg(t.section, json_build_object('total', t.total, 'open', t.open, 'rows', coalesce(w.rows, '[]')))
            from counted t left join written w using (section)),
         (select count(*) from found),
         (select w.rows->0 from written w where w.section = 'next'),
         array(select f.kind || ':' || f.id from found f where f.id = any (marked_ids) and f.kind || ':' || f.id = any (marked))
    into sections, items, upcoming, said;
  return json_build_object(
    'sections', coalesce(sections, '{}'), 'items', items, 'next', upcoming,
    'rules', json_build_object('papers_days', papers_days, 'call_days', call_days, 'call_premium', call_premium),
    'marked', case when said = '{}' then '[]' else (
      select json_agg(json_build_object('item', m.item, 'mark', m.mark, 'who', u.name, 'marked_at', m.marked_at,
                                        'subject', coalesce(c.name, b.name)) order by m.marked_at desc)
        from public.work_marks m
        join public.users u on u.user_id = m.user_id
        left join public.policies p on m.item ~ '^(renewal|call|payment|papers):' and p.policy_id = split_part(m.item, ':', 2)::bigint
        left join public.clients c on c.client_id = p.client_id
        left join public.members b on m.item ~ '^birthday:' and b.member_id = split_part(m.item, ':', 2)::bigint
       where m.on_day = day and m.item = any (said)) end);
end $$;

select protect_schema();
notify pgrst, 'reload schema';
