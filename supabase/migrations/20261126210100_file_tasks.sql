-- A worker begins and ends a file in one trip each. Both are planned once per connection: for one file of nine tables the
-- plan costs ten times as much as its execution, and knowing the number does not make it better. They name the schema
-- instead of setting their search path, which would have every plan under it checked anew at each call.
create or replace function claim_file(of_file bigint, new_claim text, proposed_key text) returns setof file_work
language plpgsql volatile set plan_cache_mode = force_generic_plan as $$
begin
  update public.batch_files f
     set claim = new_claim, state = 'working',
         reserved_key = coalesce(f.reserved_key, (select proposed_key from public.documents d
                                                   where d.document_id = f.document_id and d.store = 'drive'))
    from public.file_batches b
   where f.file_id = of_file and f.state in ('queued', 'working') and b.batch_id = f.batch_id and b.cancelled_at is null;
  return query select * from public.file_work w where w.file_id = of_file;
end $$;
alter function claim_file reset search_path;

-- What lies in its store under `at_key` is done. False where another worker has the file by now; said twice it holds once.
create or replace function finish_file(of_file bigint, by_claim text, at_key text, page_count integer, sort text)
returns boolean language plpgsql volatile set plan_cache_mode = force_generic_plan as $$
begin
  update public.batch_files f
     set state = 'done', sent_bytes = f.size, error = null, finished_at = now(), session_address = null
   where f.file_id = of_file and f.claim = by_claim and f.state <> 'done';
  if not found then
    return exists (
      select from public.batch_files f where f.file_id = of_file and f.claim = by_claim and f.state = 'done');
  end if;
  update public.documents d
     set state = 'stored', store_key = at_key, spool_name = null, pages = page_count, media_type = sort
    from public.batch_files f
   where f.file_id = of_file and d.document_id = f.document_id;
  return true;
end $$;

-- A claim of one task is planned no more often than one of a hundred: its plan is pinned, whatever is asked for.
alter function pick_tasks(text[], integer) set plan_cache_mode = force_generic_plan;
alter function claim_tasks(integer, text, text, text) set plan_cache_mode = force_generic_plan;

select protect_schema();
notify pgrst, 'reload schema';
