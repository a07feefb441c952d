-- Documents lie in the trash beside clients and policies. After 30 days they leave it for the archive of their store:
-- a mistake is then still found there, and what a law wants kept is kept.

alter table documents add column purged_at timestamptz;
create index documents_in_trash on documents (deleted_at) where deleted_at is not null and purged_at is null;

create or replace view trash_list with (security_invoker = true) as
  select 'client:' || c.client_id as entry, 'client' as kind, c.client_id as record_id, c.client_id, c.name as label,
         c.deleted_at, c.updated_by as deleted_by, c.version
    from clients c where c.deleted_at is not null
  union all
  select 'policy:' || p.policy_id, 'policy', p.policy_id::text, p.client_id,
         coalesce(p.policy_number, 'without a number') || ', ' || c.name, p.deleted_at, p.updated_by, p.version
    from policies p join clients c using (client_id) where p.deleted_at is not null
  union all
  select 'document:' || d.document_id, 'document', d.document_id::text, d.client_id,
         left(coalesce(nullif(d.title, ''), d.file_name), 80) || ', ' || c.name, d.deleted_at, d.updated_by, d.version
    from documents d join clients c using (client_id)
   where d.deleted_at is not null and d.purged_at is null and d.state <> 'refused';
comment on view trash_list is 'key: entry';

create or replace view trash_due with (security_invoker = true) as
  select t.entry, t.kind, t.record_id, t.deleted_at from trash_list t
   where t.kind <> 'document' and t.deleted_at < now() - interval '30 days'
     and cardinality(trash_holds(t.kind, t.record_id)) = 0;
comment on view trash_due is 'key: entry';

create view documents_to_purge with (security_invoker = true) as
  select d.document_id, d.client_id, d.sha256, d.deleted_at from documents d
   where d.deleted_at < now() - interval '30 days' and d.purged_at is null and d.state in ('stored', 'archived');
comment on view documents_to_purge is 'key: document_id';

select protect_schema();
notify pgrst, 'reload schema';
