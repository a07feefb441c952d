-- Whether anything of a subject has changed since a process last looked: counts and choices that cost a walk over the whole
-- book are read again when something they were made from has changed, and only then.

-- One row for each transaction that changed something of a subject, gathered from time to time into one row with their
-- number. Rows are added and never changed by a writer, so nobody waits for anybody and nobody can deadlock.
create table changes (
  subject text not null,
  xid xid8 not null default pg_current_xact_id(),
  times bigint not null default 1,
  primary key (subject, xid)
);

-- The mark of a subject differs for two questions whenever they see different transactions that changed it. The greatest
-- transaction number would not do: a smaller one may be committed later.
create view change_marks with (security_invoker = true) as
  select subject, sum(times)::bigint as mark, count(*)::integer as rows from changes group by subject;
comment on view change_marks is 'key: subject';

create or replace function note_change() returns trigger
language plpgsql set search_path = public, pg_temp as $$
begin
  insert into changes (subject) values (tg_argv[0]) on conflict do nothing;
  return null;
end $$;

-- Makes one row of a subject's rows; the sum stays what it was at every moment, whoever looks.
create or replace function gather_changes() returns void
language sql volatile set search_path = public, pg_temp as $$
  with gone as (delete from changes returning subject, times)
  insert into changes (subject, times) select subject, sum(times) from gone group by subject
$$;

create trigger note_change after insert or update or delete or truncate on policies
  for each statement execute function note_change('policies');
create trigger note_change after insert or update or delete or truncate on insurers
  for each statement execute function note_change('masters');
create trigger note_change after insert or update or delete or truncate on products
  for each statement execute function note_change('masters');
create trigger note_change after insert or update or delete or truncate on agents
  for each statement execute function note_change('masters');
create trigger note_change after insert or update or delete or truncate on saved_views
  for each statement execute function note_change('lists');
create trigger note_change after insert or update or delete or truncate on list_columns
  for each statement execute function note_change('lists');
create trigger note_change after update of name on users
  for each statement execute function note_change('lists');

select protect_schema();
notify pgrst, 'reload schema';
