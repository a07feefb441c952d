-- A file that failed has a live task again only when somebody asked for it, by the page of its batch or by sending its dead
-- letter again: its task begins it anew.
create or replace function claim_file(of_file bigint, new_claim text, proposed_key text) returns setof file_work
language plpgsql volatile set plan_cache_mode = force_generic_plan as $$
begin
  update public.batch_files f
     set claim = new_claim, state = 'working',
         error = case when f.state <> 'failed' then f.error end, finished_at = null,
         reserved_key = coalesce(f.reserved_key, (select proposed_key from public.documents d
                                                   where d.document_id = f.document_id and d.store = 'drive'))
    from public.file_batches b
   where f.file_id = of_file and f.state in ('queued', 'working', 'failed') and b.batch_id = f.batch_id
     and b.cancelled_at is null;
  return query select * from public.file_work w where w.file_id = of_file;
end $$;

select protect_schema();
notify pgrst, 'reload schema';
