-- "names": what a list of policies shows of clients and members. A note or a number of theirs changes no such list.
create trigger note_name after update on clients
  for each row when (old.name is distinct from new.name or old.deleted_at is distinct from new.deleted_at)
  execute function note_change('names');
create trigger note_name after update on members
  for each row when (old.name is distinct from new.name) execute function note_change('names');
create trigger note_removed after delete on members for each statement execute function note_change('names');

select protect_schema();
notify pgrst, 'reload schema';
