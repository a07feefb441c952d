-- A worker takes a file and learns all about it in one trip. It takes over from whoever had it: whoever that was finds
-- the claim changed and leaves the file alone. `proposed_key` is the id under which Drive will keep the file, unless an
-- earlier attempt chose one; null where none is at hand.
create or replace function claim_file(of_file bigint, new_claim text, proposed_key text) returns setof file_work
language plpgsql volatile set search_path = public, pg_temp as $$
begin
  update batch_files f
     set claim = new_claim, state = 'working',
         reserved_key = coalesce(f.reserved_key, (select proposed_key from documents d
                                                   where d.document_id = f.document_id and d.store = 'drive'))
    from file_batches b
   where f.file_id = of_file and f.state in ('queued', 'working') and b.batch_id = f.batch_id and b.cancelled_at is null;
  return query select * from file_work w where w.file_id = of_file;
end $$;

select protect_schema();
notify pgrst, 'reload schema';
