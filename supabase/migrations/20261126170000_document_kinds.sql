-- What kind each document is, by the office's own list; how long each kind is kept; documents with everything named.

alter table document_types add column retention_years smallint not null default 8 check (retention_years between 1 and 50);
update document_types set retention_years = 10
 where key in ('policy-schedule', 'endorsement', 'proposal-form', 'registration-certificate', 'pan-card', 'masked-aadhaar',
               'gst-certificate', 'address-proof', 'nominee-form', 'medical-report') or concerns = 'claim';
update document_types set retention_years = 5
 where key in ('renewal-notice', 'previous-policy', 'photos', 'correspondence');
update document_types set retention_years = 3 where key in ('quote', 'pollution-certificate');

alter table documents add constraint documents_kind_fkey foreign key (kind) references document_types (key)
  on update cascade;

create view document_list with (security_invoker = true) as
  select d.document_id, d.client_id, c.name as client_name, d.member_id, m.name as member_name, d.policy_id,
         p.policy_number, d.claim_number, d.kind, t.name as kind_name, d.title, d.file_name, d.stored_name, d.size, d.sha256,
         d.md5, d.pages, d.media_type, d.store, d.store_key, d.spool_name, d.moving_key, d.state, d.source, d.uploaded_by,
         u.name as uploaded_by_name, d.retention_until, d.replaces_id, d.replaced_by_id, d.version, d.created_at,
         d.updated_at, d.deleted_at, c.agent_id, c.deleted_at as client_deleted_at
    from documents d
    join clients c on c.client_id = d.client_id
    join document_types t on t.key = d.kind
    left join members m on m.member_id = d.member_id
    left join policies p on p.policy_id = d.policy_id
    left join users u on u.user_id = d.uploaded_by;
comment on view document_list is 'key: document_id';

-- One file of a batch with everything its task needs to know.
create view file_work with (security_invoker = true) as
  select f.file_id, f.batch_id, f.state, f.claim, f.reserved_key, f.session_address, b.direction, b.cancelled_at,
         d.document_id, d.client_id, c.name as client_name, m.name as member_name, d.claim_number, t.name as kind_name,
         d.file_name, d.stored_name, d.size, d.md5, d.sha256, d.media_type, d.pages, d.store, d.store_key, d.spool_name,
         d.state as document_state, d.replaces_id, d.created_at, d.version
    from batch_files f
    join file_batches b on b.batch_id = f.batch_id
    join documents d on d.document_id = f.document_id
    join clients c on c.client_id = d.client_id
    join document_types t on t.key = d.kind
    left join members m on m.member_id = d.member_id;
comment on view file_work is 'key: file_id';

select protect_schema();
notify pgrst, 'reload schema';
