-- What became of a job's messages, in the words of the message log's filter: the job is done when they are written, and
-- that says nothing of whether they arrived.
create view batch_messages with (security_invoker = true) as
select batch_id, case when state in ('queued', 'sending', 'unclear', 'accepted') then 'waiting' else state end as state,
       count(*) as messages
  from messages where batch_id is not null group by 1, 2;
comment on view batch_messages is 'key: batch_id, state';

select protect_schema();
notify pgrst, 'reload schema';
