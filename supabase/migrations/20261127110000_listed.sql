-- "listed": what lists show of a client, and how many members it has. A note, an address or a number of theirs changes no
-- list, and colleagues write those all day.
create trigger note_listed after insert or delete or truncate on clients
  for each statement execute function note_change('listed');
create trigger note_listed_change after update on clients
  for each row when (
    (old.name, old.client_type, old.phone, old.email, old.city, old.group_name, old.agent_id, old.whatsapp_opt_in,
     old.email_opt_in, old.deleted_at, old.search)
    is distinct from
    (new.name, new.client_type, new.phone, new.email, new.city, new.group_name, new.agent_id, new.whatsapp_opt_in,
     new.email_opt_in, new.deleted_at, new.search))
  execute function note_change('listed');
create trigger note_listed after insert or delete or truncate on members
  for each statement execute function note_change('listed');
create trigger note_listed_change after update on members
  for each row when (old.deleted_at is distinct from new.deleted_at or old.client_id is distinct from new.client_id)
  execute function note_change('listed');

-- "alerts": those that are open stand on every administrator's page.
create trigger note_change after insert or update of name, severity, message, ended_at or delete or truncate on alerts
  for each statement execute function note_change('alerts');

select protect_schema();
notify pgrst, 'reload schema';
