-- The reminders to be noted on a day: of each term the newest step that is due, unless that is longer ago than
-- `good_for` days (what was missed while the portal stood still is not made up for weeks later), was noted already, or a
-- reminder by hand goes out on one of those days: its step names the day, which may be later than the one it was noted on.
-- Snoozed terms and clients that cannot be reached wait. `good_until` is the last day on which the words are true and no
-- later step has come; what is past it cannot be sent any more. In order of policy_id behind `after`.
create or replace function reminders_due(on_day date, good_for integer, after bigint, how_many integer)
returns jsonb
language sql stable set search_path = public, pg_temp as $$
  select coalesce(jsonb_agg(to_jsonb(t) order by t.policy_id), '[]') from (
  select newest.policy_id, newest.due_on, newest.step, newest.occasion, w.good_until
    from (select distinct on (s.policy_id) s.*
            from (select w.*, lead(w.remind_on) over (partition by w.policy_id order by w.days) as next_on
                    from reminder_schedule w
                   where w.policy_id > after and w.due_on between on_day - 120 - good_for and on_day + 120) s
           where s.remind_on <= on_day
           order by s.policy_id, s.days desc) newest
    join policies p on p.policy_id = newest.policy_id
    join clients c on c.client_id = p.client_id
    left join renewals n on n.policy_id = p.policy_id
   cross join lateral (
         select least(newest.remind_on + good_for - 1, newest.next_on - 1,
                      case newest.occasion when 'before' then newest.due_on
                                           when 'grace' then newest.due_on + grace_days_of(p.policy_id, p.line, newest.due_on) end)
                as good_until) w
   where newest.remind_on > on_day - good_for and w.good_until >= on_day
     and (n.snoozed_until is null or n.snoozed_until <= on_day)
     and ((c.whatsapp_opt_in and c.phone is not null) or (c.email_opt_in and c.email is not null))
     and not exists (select from reminders x
                      where x.policy_id = newest.policy_id and x.due_on = newest.due_on
                        and (x.step = newest.step
                             or x.step collate "C" between 'by hand ' || to_char(on_day - good_for + 1, 'YYYY-MM-DD')
                                                       and 'by hand ' || to_char(on_day, 'YYYY-MM-DD')))
   order by newest.policy_id
   limit how_many) t
$$;

select protect_schema();
notify pgrst, 'reload schema';
