-- Whether a document lies behind a term, for the view of those without. Asked of no row unless somebody asks.
do $$
begin
  execute 'create or replace view policy_list with (security_invoker = true) as ' || regexp_replace(
    pg_get_viewdef('policy_list'::regclass), '\n   FROM ',
    E',\n    exists (select from documents d where d.policy_id = p.policy_id and d.deleted_at is null and d.state in (''waiting'', ''stored'')) as has_document\n   FROM ');
  -- The totals are added up over the table alone, which knows no documents.
  execute replace(pg_get_functiondef('policy_totals(text)'::regprocedure), 'else change_condition', $with$
       when value->>'column' = 'has_document' then case value->>'value' when 'true' then '' else 'not ' end
         || 'exists (select from documents d where d.policy_id = t.policy_id and d.deleted_at is null and d.state in (''waiting'', ''stored''))'
       else change_condition$with$);
end $$;

create trigger note_change after insert or update or delete or truncate on documents
  for each statement execute function note_change('documents');

create index policies_commission_unpaid on policies (due_on, policy_id)
  where deleted_at is null and not commission_received and state in ('live', 'renewed');

select protect_schema();
notify pgrst, 'reload schema';
