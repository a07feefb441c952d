-- What the renewal desk asks: what is due, who is reminded of it when, and what was kept.

-- Every step of the ladder of every live term that is to be renewed, and the day it falls on. Third-party cover has no
-- bonus to lose.
create view reminder_schedule with (security_invoker = true) as
  select p.policy_id, p.due_on, s.days, step_name(s.days) as step, s.occasion, p.due_on + s.days as remind_on
    from policies p
    join reminder_steps s on s.line = p.line and s.valid_from <= p.due_on + s.days
     and (s.valid_to is null or s.valid_to >= p.due_on + s.days)
    left join motor_details d on d.policy_id = p.policy_id
   where p.state = 'live' and p.deleted_at is null and not p.one_time
     and (s.occasion <> 'bonus' or d.cover is distinct from 'third party only');
comment on view reminder_schedule is 'key: policy_id, days';

-- What a message to the client of a term may say, and where it may go.
create view notice_facts with (security_invoker = true) as
  select p.policy_id, p.client_id, c.name as client_name, c.phone, c.email, c.language, c.whatsapp_opt_in, c.email_opt_in,
         m.name as member_name, i.name as insurer_name, r.name as product_name, p.line, p.policy_number, p.asset,
         p.policy_from, p.policy_to, p.due_on, p.gross_premium, n.quoted_premium, p.state, p.one_time, p.deleted_at,
         n.snoozed_until, p.due_on + grace_days_of(p.policy_id, p.line, p.due_on) as grace_ends, d.third_party_to, d.cover,
         p.due_on + coalesce((select g.bonus_lost_days from grace_rules g
                               where g.line = p.line and g.premium_mode = '' and g.valid_from <= p.due_on
                                 and (g.valid_to is null or p.due_on <= g.valid_to)
                               order by g.valid_from desc limit 1), 90) as bonus_lost_on,
         (select max(x.noted_at) from reminders x where x.policy_id = p.policy_id and x.due_on = p.due_on) as reminded_at,
         (select max(x.noted_on) from reminders x where x.policy_id = p.policy_id) as reminded_on
    from policies p
    join clients c on c.client_id = p.client_id
    join insurers i on i.insurer_id = p.insurer_id
    join products r on r.product_id = p.product_id
    left join members m on m.member_id = p.member_id
    left join renewals n on n.policy_id = p.policy_id
    left join motor_details d on d.policy_id = p.policy_id;
comment on view notice_facts is 'key: policy_id';

-- The reminders to be noted on a day: of each term the newest step that is due, unless that is longer ago than
-- `good_for` days (what was missed while the portal stood still is not made up for weeks later), was noted already, or
-- a colleague reminded by hand within those days. Snoozed terms and clients that cannot be reached wait. `good_until` is
-- the last day on which the words are true and no later step has come. In order of policy_id behind `after`.
create or replace function reminders_due(on_day date, good_for integer, after bigint, how_many integer)
returns jsonb
language sql stable set search_path = public, pg_temp as $$
  select coalesce(jsonb_agg(to_jsonb(t) order by t.policy_id), '[]') from (
  select newest.policy_id, newest.due_on, newest.step, newest.occasion,
         least(newest.remind_on + good_for - 1, newest.next_on - 1,
               case newest.occasion when 'before' then newest.due_on
                                    when 'grace' then newest.due_on + grace_days_of(p.policy_id, p.line, newest.due_on) end) as good_until
    from (select distinct on (s.policy_id) s.*
            from (select w.*, lead(w.remind_on) over (partition by w.policy_id order by w.days) as next_on
                    from reminder_schedule w
                   where w.policy_id > after and w.due_on between on_day - 120 - good_for and on_day + 120) s
           where s.remind_on <= on_day
           order by s.policy_id, s.days desc) newest
    join policies p on p.policy_id = newest.policy_id
    join clients c on c.client_id = p.client_id
    left join renewals n on n.policy_id = p.policy_id
   where newest.remind_on > on_day - good_for
     and (n.snoozed_until is null or n.snoozed_until <= on_day)
     and ((c.whatsapp_opt_in and c.phone is not null) or (c.email_opt_in and c.email is not null))
     and not exists (select from reminders x
                      where x.policy_id = newest.policy_id and x.due_on = newest.due_on
                        and (x.step = newest.step or (x.step like 'by hand %' and x.noted_on > on_day - good_for)))
   order by newest.policy_id
   limit how_many) t
$$;

-- What the renewal desk lists: terms that are to be renewed or were, each with where it stands.
create view renewal_list with (security_invoker = true) as
  select p.policy_id, p.client_id, c.name as client_name, c.phone, c.whatsapp_opt_in, c.email_opt_in, m.name as member_name,
         p.insurer_id, i.name as insurer_name, coalesce(i.short_name, i.name) as insurer_short, p.product_id,
         r.name as product_name, p.line, p.agent_id, a.name as agent_name, p.asset, p.policy_number, p.state, p.policy_to,
         p.due_on, p.gross_premium, n.quoted_premium,
         least(round((n.quoted_premium - p.gross_premium) * 100 / nullif(p.gross_premium, 0), 1), 99999)::numeric(6, 1) as change_percent,
         d.no_claim_bonus, n.owner_id, u.name as owner_name, n.snoozed_until, n.note,
         coalesce(n.snoozed_until > office_today() and p.due_on >= office_today(), false) as is_snoozed,
         case when p.state in ('renewed', 'lost') then p.state else coalesce(n.stage, 'due') end as stage,
         case when p.state <> 'live' or p.due_on >= office_today() then null
              when p.due_on + grace_days_of(p.policy_id, p.line, p.due_on) >= office_today() then 'in grace'
              when p.line = 'motor' and coalesce(d.third_party_to < office_today(), true) then 'uninsured'
              else 'expired' end as overdue,
         p.due_on + grace_days_of(p.policy_id, p.line, p.due_on) as grace_ends,
         (select count(*) from reminders x where x.policy_id = p.policy_id and x.due_on = p.due_on) as reminders_sent,
         (select count(*) from reminder_schedule s where s.policy_id = p.policy_id) as reminders_planned,
         p.version, coalesce(n.version, 0) as renewal_version, p.lost_reason, p.search
    from policies p
    join clients c on c.client_id = p.client_id
    join insurers i on i.insurer_id = p.insurer_id
    join products r on r.product_id = p.product_id
    left join members m on m.member_id = p.member_id
    left join agents a on a.agent_id = p.agent_id
    left join renewals n on n.policy_id = p.policy_id
    left join users u on u.user_id = n.owner_id
    left join motor_details d on d.policy_id = p.policy_id
   where p.deleted_at is null and not p.one_time and p.state in ('live', 'renewed', 'lost') and p.number_key <> '';
comment on view renewal_list is 'key: policy_id';

-- Number and gross premium of everything a list of renewals holds; conditions as in `policy_totals`.
create or replace function renewal_totals(conditions text) returns jsonb
language plpgsql stable set search_path = public, pg_temp as $$
declare
  wanted text; totals jsonb; listed jsonb := conditions::jsonb;
begin
  select string_agg('(' || alternatives || ')', ' and ') into wanted from (
    select string_agg('(' || branch || ')', ' or ') as alternatives from (
      select value->>'group' as place_in_list,
             string_agg(case when value->>'op' = 'fts' then format('t.search @@ ($2->%s->>''value'')::tsquery', place - 1)
                             else change_condition('renewal_list', value, (place - 1)::integer) end, ' and ') as branch
        from jsonb_array_elements(listed) with ordinality as c (value, place)
       group by value->>'group', value->>'branch') branches
     group by place_in_list) all_of;
  execute format('select jsonb_build_object(''policies'', count(*), ''gross'', coalesce(sum(t.gross_premium), 0)::text)
                    from renewal_list t where %s', coalesce(wanted, 'true'))
    into totals using null::jsonb, listed;
  return totals;
end $$;

-- The figures above the list: what is open, and the open terms of twelve months from this one. Sums are text, which
-- JSON carries without loss.
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
                                  sum(gross_premium) as gross from open group by 1) t using (first)))
$$;

-- How many of the terms that fell due in a month were renewed, by number and by the premium of the old term. A term is
-- decided once it is renewed, lost, or past its grace; a renewal that was dropped before it had a number is a loss.
create or replace function retention_by_month(first_month date, months integer, on_day date) returns jsonb
language sql stable set search_path = public, pg_temp as $$
  with due as (
    select date_trunc('month', p.due_on)::date as first, p.gross_premium as gross,
           case when p.state = 'renewed' and not exists (
                  select from policies n where n.renewed_from_id = p.policy_id and n.deleted_at is null
                     and n.state = 'lost' and n.number_key = '') then 'renewed'
                when p.state in ('renewed', 'lost') then 'lost'
                when p.due_on + grace_days_of(p.policy_id, p.line, p.due_on) < on_day then 'lapsed'
                else 'open' end as outcome
      from policies p
     where p.deleted_at is null and not p.one_time and p.state in ('live', 'renewed', 'lost') and p.number_key <> ''
       and p.due_on >= date_trunc('month', first_month)
       and p.due_on < date_trunc('month', first_month) + months * interval '1 month')
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

select protect_schema();
notify pgrst, 'reload schema';
