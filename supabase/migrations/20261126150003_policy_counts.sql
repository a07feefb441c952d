-- How many policies stand in each view of the list, by the same conditions as the list itself.
create view policy_counts with (security_invoker = true) as
  select 1 as only_row,
         count(*) filter (where state = 'live' and due_on >= office_today()) as live,
         count(*) filter (where state = 'live' and not one_time and due_on between office_today() and office_today() + 30) as expiring,
         count(*) filter (where state = 'live' and not one_time and due_on < office_today()) as overdue,
         count(*) filter (where state = 'live' and payment_date is null) as unpaid,
         count(*) filter (where state = 'pending') as pending
    from policies where deleted_at is null and state in ('live', 'pending');
comment on view policy_counts is 'key: only_row';

select protect_schema();
notify pgrst, 'reload schema';
