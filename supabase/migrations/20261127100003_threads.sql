-- "threads": how many people have written to us. Only who does so for the first time changes that, or who is taken out; the
-- further messages of sixty thousand people change nothing and note nothing.
create trigger note_thread after insert on contacts
  for each row when (new.last_inbound_at is not null) execute function note_change('threads');
create trigger note_first_message after update on contacts
  for each row when ((old.last_inbound_at is null) <> (new.last_inbound_at is null)) execute function note_change('threads');
create trigger note_removed after delete or truncate on contacts for each statement execute function note_change('threads');

select protect_schema();
notify pgrst, 'reload schema';
