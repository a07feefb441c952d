-- A document that failed on its way to its store and was deleted then lay in the trash and in the spool for ever: what
-- leaves the trash after 30 days goes to the archive, and this one never had a place to go from. It ends as a refused one
-- does; the sweep removes its content. How many.
create function end_deleted_files(most integer) returns integer
language plpgsql volatile set search_path = public, pg_temp as $$
declare
  ended integer;
begin
  with due as (
    select d.document_id from documents d
     where d.state = 'waiting' and d.deleted_at < now() - interval '30 days' and not exists (
       select from batch_files f where f.document_id = d.document_id and f.state in ('queued', 'working'))
     order by d.document_id limit most for update skip locked
  ), files as (
    update batch_files f set state = 'cancelled', error = 'It was deleted before it was stored.', session_address = null
      from due where f.document_id = due.document_id and f.state = 'failed'
  )
  update documents d set state = 'refused', spool_name = null from due where d.document_id = due.document_id;
  get diagnostics ended = row_count;
  return ended;
end $$;

select protect_schema();
notify pgrst, 'reload schema';
